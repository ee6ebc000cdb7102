/// Takes the small bends out of a placed graph: slots that follow one another, each the only one that its neighbour is
/// linked to, come to lie under one another where their layers have room.
module internal CnnCluster.Dsl.Drawing.Straightening

open CnnCluster.Dsl.Drawing.Layering

/// A slot of a chain, and how far its left side lies from the chain's line.
type private Bead = { Slot: int; Offset: float }

let private chains (graph: Layered) =
    let above = graph.Links |> List.groupBy _.Lower |> Map.ofList
    let below = graph.Links |> List.groupBy _.Upper |> Map.ofList

    let onlyBelow slot =
        match Map.tryFind slot below with
        | Some [ link ] when above[link.Lower].Length = 1 -> Some link
        | _ -> None

    let isContinued slot =
        match Map.tryFind slot above with
        | Some [ link ] -> (onlyBelow link.Upper).IsSome
        | _ -> false

    let rec beads slot offset =
        { Slot = slot; Offset = offset }
        :: (match onlyBelow slot with
            | Some link -> beads link.Lower (offset + link.UpperX - link.LowerX)
            | None -> [])

    [ for slot in 0 .. graph.Slots.Length - 1 do
          if not (isContinued slot) && (onlyBelow slot).IsSome then
              beads slot 0.0 ]

/// Between which values a slot's left side may lie.
let private room (graph: Layered) (orders: int[][]) (x: float[]) slot =
    let order = orders[graph.Slots[slot].Layer]
    let place = System.Array.IndexOf(order, slot)

    let least =
        if place = 0 then
            -infinity
        else
            let left = order[place - 1]

            x[left]
            + graph.Slots[left].Width
            + Placement.gap graph.Slots[left] graph.Slots[slot]

    let greatest =
        if place = order.Length - 1 then
            infinity
        else
            let right = order[place + 1]

            x[right]
            - graph.Slots[slot].Width
            - Placement.gap graph.Slots[slot] graph.Slots[right]

    least, greatest

let private median (values: float list) =
    let sorted = List.sort values
    sorted[sorted.Length / 2]

/// Beads in runs, each with the room that its line has: a new run begins where there would be none left.
let private runs rooms =
    (([], []), rooms)
    ||> List.fold (fun (finished, run) (bead, (least, greatest)) ->
        match run with
        | (_, (itsLeast, itsGreatest)) :: _ when max least itsLeast <= min greatest itsGreatest ->
            finished, (bead, (max least itsLeast, min greatest itsGreatest)) :: run
        | [] -> finished, [ bead, (least, greatest) ]
        | _ -> run :: finished, [ bead, (least, greatest) ])
    |> fun (finished, run) -> run :: finished

let private straighten graph orders (x: float[]) beads =
    let rooms =
        [ for bead in beads ->
              let least, greatest = room graph orders x bead.Slot
              bead, (least - bead.Offset, greatest - bead.Offset) ]

    for run in runs rooms do
        // The latest bead knows the room that all of them have.
        let least, greatest = snd run.Head
        let line = run |> List.map (fun (bead, _) -> x[bead.Slot] - bead.Offset) |> median

        for bead, _ in run do
            x[bead.Slot] <- max least (min greatest line) + bead.Offset

/// The same places, but for those that a straight line asks for; the least is 0.
let apply (graph: Layered) orders (places: float[]) =
    let x = Array.copy places

    for beads in chains graph |> List.sortByDescending _.Length do
        straighten graph orders x beads

    let left = Seq.min x
    x |> Array.map (fun value -> value - left)
