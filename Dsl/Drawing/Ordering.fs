/// The order of the slots in each layer: sweeps down and up put each slot at the barycentre of its neighbours, and the
/// order with the fewest crossings is kept.
module internal CnnCluster.Dsl.Drawing.Ordering

open CnnCluster.Dsl.Drawing.Layering

/// Further sweeps change nothing in the networks that were looked at.
[<Literal>]
let private Sweeps = 12

/// Where a link ends, in the order of its layer: the slot's place, and within the slot how far to the right.
let private upperEnd (graph: Layered) (place: int[]) (link: Link) =
    float place[link.Upper] + link.UpperX / (1.0 + graph.Slots[link.Upper].Width)

let private lowerEnd (graph: Layered) (place: int[]) (link: Link) =
    float place[link.Lower] + link.LowerX / (1.0 + graph.Slots[link.Lower].Width)

let private crossingsBetween (ends: (float * float)[]) =
    let mutable count = 0

    for i in 0 .. ends.Length - 1 do
        for j in i + 1 .. ends.Length - 1 do
            let (u, l), (u', l') = ends[i], ends[j]

            if (u - u') * (l - l') < 0.0 then count <- count + 1

    count

let private crossings (graph: Layered) (links: Link[][]) place =
    links
    |> Array.sumBy (fun between ->
        between
        |> Array.map (fun link -> upperEnd graph place link, lowerEnd graph place link)
        |> crossingsBetween)

let private placesOf (orders: int[][]) count =
    let place = Array.zeroCreate count

    for order in orders do
        order |> Array.iteri (fun i slot -> place[slot] <- i)

    place

/// A layer's slots by the mean of where their links on one side end; those without any stay where they are.
let private sorted (links: Link[]) own farEnd (place: int[]) (order: int[]) =
    let ends =
        links
        |> Array.groupBy own
        |> Array.map (fun (slot, links) -> slot, links |> Array.averageBy (farEnd place))
        |> Map.ofArray

    order
    |> Array.sortBy (fun slot -> ends |> Map.tryFind slot |> Option.defaultValue (float place[slot]))

let private sweepDown graph (links: Link[][]) (orders: int[][]) =
    let place = placesOf orders graph.Slots.Length

    for layer in 1 .. orders.Length - 1 do
        orders[layer] <- sorted links[layer - 1] _.Lower (upperEnd graph) place orders[layer]
        orders[layer] |> Array.iteri (fun i slot -> place[slot] <- i)

let private sweepUp graph (links: Link[][]) (orders: int[][]) =
    let place = placesOf orders graph.Slots.Length

    for layer in orders.Length - 2 .. -1 .. 0 do
        orders[layer] <- sorted links[layer] _.Upper (lowerEnd graph) place orders[layer]
        orders[layer] |> Array.iteri (fun i slot -> place[slot] <- i)

/// The slots of each layer from left to right.
let create (graph: Layered) =
    let orders =
        [| for layer in 0 .. graph.LayerCount - 1 ->
               [| for i, slot in Array.indexed graph.Slots do
                      if slot.Layer = layer then i |] |]

    let byLayer =
        graph.Links
        |> List.groupBy (fun link -> graph.Slots[link.Upper].Layer)
        |> Map.ofList

    let links =
        [| for layer in 0 .. graph.LayerCount - 2 ->
               byLayer |> Map.tryFind layer |> Option.defaultValue [] |> Array.ofList |]

    let count () =
        crossings graph links (placesOf orders graph.Slots.Length)

    let mutable best, fewest = Array.map Array.copy orders, count ()

    for sweep in 1..Sweeps do
        if fewest > 0 then
            if sweep % 2 = 1 then
                sweepDown graph links orders
            else
                sweepUp graph links orders

            let crossings = count ()

            if crossings < fewest then
                best <- Array.map Array.copy orders
                fewest <- crossings

    best
