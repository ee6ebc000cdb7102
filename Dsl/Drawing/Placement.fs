/// Where the slots of a layered graph come to lie: each as near to its neighbours as its layer's order and the distance
/// between slots allow.
module internal CnnCluster.Dsl.Drawing.Placement

open System.Collections.Generic
open CnnCluster.Dsl.Drawing.Layering

let private Rounds = 24

/// Between two cells, and between edges or an edge and a cell.
let gap (left: Slot) (right: Slot) =
    match left.Cell, right.Cell with
    | Some _, Some _ -> 22.0
    | None, None -> 12.0
    | _ -> 16.0

/// The x nearest to the wanted ones, in weighted squares, so that each is at least its distance right of the one before:
/// isotonic regression by pooling adjacent violators (Barlow and others, 1972).
let private nearest (wanted: float[]) (weights: float[]) (distances: float[]) =
    // Distances taken off, the x need only not fall.
    let starts = Array.scan (+) 0.0 distances
    let pools = Stack<struct (float * float * int)>()

    for i in 0 .. wanted.Length - 1 do
        let mutable mean, weight, count = wanted[i] - starts[i], weights[i], 1
        let mutable isDone = false

        while not isDone && pools.Count > 0 do
            let struct (before, itsWeight, itsCount) = pools.Peek()

            if before > mean then
                pools.Pop() |> ignore
                mean <- (mean * weight + before * itsWeight) / (weight + itsWeight)
                weight <- weight + itsWeight
                count <- count + itsCount
            else
                isDone <- true

        pools.Push(struct (mean, weight, count))

    let levels =
        [| for struct (mean, _, count) in Seq.rev pools do
               yield! Array.replicate count mean |]

    Array.map2 (+) levels (Array.truncate wanted.Length starts)

/// A slot's neighbours: how far left of theirs its own left side would be, and how strongly they pull.
type private Pull =
    { Neighbour: int
      Offset: float
      Weight: float }

let private pulls (graph: Layered) =
    let above, below =
        Array.init graph.Slots.Length (fun _ -> ResizeArray<Pull>()),
        Array.init graph.Slots.Length (fun _ -> ResizeArray<Pull>())

    for link in graph.Links do
        above[link.Lower].Add
            { Neighbour = link.Upper
              Offset = link.UpperX - link.LowerX
              Weight = link.Weight }

        below[link.Upper].Add
            { Neighbour = link.Lower
              Offset = link.LowerX - link.UpperX
              Weight = link.Weight }

    match graph.Tie with
    | Some(entry, exit) ->
        above[exit].Add
            { Neighbour = entry
              Offset = 0.0
              Weight = 3.0 }

        below[entry].Add
            { Neighbour = exit
              Offset = 0.0
              Weight = 3.0 }
    | None -> ()

    above, below

let private settle (graph: Layered) (x: float[]) (pullsOf: int -> Pull seq) (order: int[]) =
    let wanted, weights =
        order
        |> Array.map (fun slot ->
            let pulls = pullsOf slot
            let weight = pulls |> Seq.sumBy _.Weight

            if weight > 0.0 then
                (pulls |> Seq.sumBy (fun pull -> pull.Weight * (x[pull.Neighbour] + pull.Offset)))
                / weight,
                weight
            else
                x[slot], 0.1)
        |> Array.unzip

    let distances =
        order
        |> Array.pairwise
        |> Array.map (fun (a, b) -> graph.Slots[a].Width + gap graph.Slots[a] graph.Slots[b])

    nearest wanted weights distances
    |> Array.iteri (fun i value -> x[order[i]] <- value)

/// Each slot's left side; the least is 0.
let horizontally (graph: Layered) (orders: int[][]) =
    let x = Array.zeroCreate graph.Slots.Length
    let above, below = pulls graph
    let both slot = Seq.append above[slot] below[slot]

    for round in 1..Rounds do
        let down = round % 2 = 1

        let pullsOf =
            if round > Rounds / 2 then both
            elif down then (fun s -> above[s] :> seq<_>)
            else (fun s -> below[s] :> seq<_>)

        for order in (if down then orders else Array.rev orders) do
            settle graph x pullsOf order

    let left = Seq.min x
    x |> Array.map (fun value -> value - left)

/// Room for edges between two layers: more of it where they go far to the side.
let private roomBelow (graph: Layered) (x: float[]) layer =
    let farthest =
        (0.0, graph.Links)
        ||> List.fold (fun far link ->
            if graph.Slots[link.Upper].Layer = layer then
                max far (abs (x[link.Upper] + link.UpperX - x[link.Lower] - link.LowerX))
            else
                far)

    20.0 + min 40.0 (0.07 * farthest)

/// Each layer's top and bottom.
let vertically (graph: Layered) (x: float[]) =
    let heights =
        [| for layer in 0 .. graph.LayerCount - 1 ->
               (0.0, graph.Slots)
               ||> Array.fold (fun height slot -> if slot.Layer = layer then max height slot.Height else height) |]

    let mutable top = 0.0

    [| for layer, height in Array.indexed heights do
           top, top + height
           top <- top + height + roomBelow graph x layer |]
