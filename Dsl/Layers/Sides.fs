/// What all layers ask of sides: as many as the input has, and none beyond 32 bits.
module internal CnnCluster.Dsl.Layers.Sides

open CnnCluster.Dsl

/// The first of these arguments that is for another number of axes than the input has sides.
let misfit (input: Shape) (arguments: (string * int) list) =
    arguments
    |> List.tryFind (fun (_, axes) -> axes <> input.Rank)
    |> Option.map (fun (name, axes) ->
        LayerFault.at name $"'{name}' is for {axes} sides, but the input, {Shape.text input}, has {input.Rank}")

/// Goes on where every argument is for as many axes as the input has sides.
let fitting input arguments next =
    match misfit input arguments with
    | Some fault -> fault
    | None -> next ()

/// Goes on with the output's sides, where they stay within 32 bits.
let bounded (sides: int64 option list) next =
    match sides |> List.tryPick (Option.filter (fun side -> side > 2147483647L)) with
    | Some side -> LayerFault.whole $"its output would have a side of {side}: there are at most 2147483647"
    | None -> next (sides |> List.map (Option.map int))

/// The pairs of an argument of amounts at the edges: one for every axis where the script has only one.
let edges rank padding =
    match padding with
    | Sides [ one ] -> List.replicate rank one
    | Sides several -> several
    | Same
    | Valid -> List.replicate rank (0, 0)

/// The number of axes that such an argument is for; `rank` if one pair stands for all.
let axesOf rank padding =
    match padding with
    | Sides several when several.Length <> 1 -> several.Length
    | _ -> rank
