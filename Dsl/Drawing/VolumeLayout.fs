/// Where the solids of a chain stand: from left to right, in as few rows as hold them.
module internal CnnCluster.Dsl.Drawing.VolumeLayout

open CnnCluster.Dsl
open CnnCluster.Dsl.Drawing.Nest
open CnnCluster.Dsl.Drawing.Solids
open CnnCluster.Dsl.Drawing.Svg

let private gap = 30.0
let private widestRow = 1150.0
let lineHeight = 13.0

/// A value, and the layers that made it: one that shapes it, and pointwise ones behind.
type Station =
    {
        Shape: Shape
        Solid: Solid
        Fill: string
        Parts: Part list
        /// Lines of text, with the part that each is about.
        Labels: (string * Part) list
    }

    member station.Width =
        station.Labels
        |> List.map (fun (text, _) -> widthOf 10.5 text)
        |> List.append [ station.Solid.Width; widthOf 11.0 (Shape.text station.Shape) ]
        |> List.max

/// Words in lines no wider than this, unless one word is.
let private wrapped width (words: string list) =
    ([], words)
    ||> List.fold (fun lines word ->
        match lines with
        | line :: rest when widthOf 10.5 $"{line} {word}" <= width -> $"{line} {word}" :: rest
        | _ -> word :: lines)
    |> List.rev

let private labels width (part: Part) =
    let words =
        if part.IsFolded then
            [ Labels.localName part.Path ]
        else
            Labels.words part.Nodes.Head

    let notes =
        [ match Labels.sharing part with
          | Some owner -> owner
          | None -> ()
          if Labels.isFrozen part then "not trained" ]

    [ for line in wrapped width words @ notes -> line, part ]

let private station shape fill parts =
    let solid = ofShape shape

    { Shape = shape
      Solid = solid
      Fill = fill
      Parts = parts
      Labels = parts |> List.collect (labels (max 78.0 solid.Width)) }

let rec private heads items =
    items
    |> List.collect (function
        | Leaf vertex -> [ vertex ]
        | Group(_, inner) -> heads inner)

let stations diagram =
    let folding = diagram.Folding
    let boxes, stacked = Stacks.create diagram

    [ for head in heads stacked.Items do
          match head with
          | PartVertex i ->
              let parts =
                  [ for row in boxes[head].Rows do
                        match row.Vertex with
                        | PartVertex i -> folding.Parts[i]
                        | _ -> () ]

              station folding.Parts[i].Output (Palette.fill (Labels.familyOf folding folding.Parts[i])) parts
          | InputVertex i -> station folding.Plan.Inputs[i].Shape Palette.input []
          | OutputVertex _ -> () ]

type Row =
    { Stations: Station list
      Height: float
      LabelHeight: float }

let private rowOf stations =
    { Stations = stations
      Height = stations |> List.map (fun s -> s.Solid.Height) |> List.max
      LabelHeight =
        stations
        |> List.map (fun s -> lineHeight * float (1 + s.Labels.Length))
        |> List.max }

/// As few rows as hold all, about equally wide.
let rowsOf (stations: Station list) =
    let widthWithGap (station: Station) = station.Width + gap
    let total = stations |> List.sumBy widthWithGap
    let limit = total / ceil (total / widestRow)

    let rows, row, _ =
        (([], [], 0.0), stations)
        ||> List.fold (fun (rows, row, width) station ->
            let wider = width + widthWithGap station

            // A station goes where its greater half fits.
            if List.isEmpty row || width + widthWithGap station / 2.0 <= limit then
                rows, station :: row, wider
            else
                List.rev row :: rows, [ station ], widthWithGap station)

    List.rev (List.rev row :: rows) |> List.map rowOf

type Placed =
    {
        Station: Station
        X: float
        Y: float
        /// Where the labels are centred, and the line that they begin on.
        Middle: float
        LabelY: float
    }

    /// The front face's left, top, right and bottom.
    member placed.Face =
        let solid = placed.Station.Solid
        placed.X, placed.Y + solid.DepthY, placed.X + solid.FaceWidth, placed.Y + solid.Height

let placeRow top (row: Row) =
    let placed, width =
        (([], 0.0), row.Stations)
        ||> List.fold (fun (placed, x) station ->
            let solid = station.Solid

            { Station = station
              X = x + (station.Width - solid.Width) / 2.0
              Y = top + (row.Height - solid.Height) / 2.0
              Middle = x + station.Width / 2.0
              LabelY = top + row.Height + 18.0 }
            :: placed,
            x + station.Width + gap)

    List.rev placed, width - gap
