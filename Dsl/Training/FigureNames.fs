namespace CnnCluster.Dsl

/// What the name of a figure is made of.
type internal FigureParts =
    {
        Base: string
        Output: string
        /// What tells figures of the same base and output apart, the first thing first.
        Details: string list
    }

/// Names of figures: as short as tells them apart.
module internal FigureNames =
    /// Lengthens the names that are not the only ones of their kind, as long as there is something to add.
    let rec private distinguish (figures: (string * string list) list) =
        let common =
            figures |> List.countBy fst |> List.filter (fun (_, n) -> n > 1) |> List.map fst

        let lengthen (name, details) =
            match details with
            | detail :: rest when List.contains name common -> $"{name}_{detail}", rest
            | _ -> name, details

        let longer = List.map lengthen figures
        if longer = figures then figures else distinguish longer

    /// `accuracy`; where the network has several outputs, `accuracy_age`.
    let assign outputs (figures: FigureParts list) =
        figures
        |> List.map (fun figure ->
            let name = if outputs > 1 then $"{figure.Base}_{figure.Output}" else figure.Base

            name, figure.Details)
        |> distinguish
        |> List.map (fun (name, _) -> name.Replace('-', '_'))
