/// Blocks within blocks: each is laid out by itself, in layers, and is one cell of what it stands in. So blocks never
/// overlap, whatever the network. Values cross a block's frame at ports.
module internal CnnCluster.Dsl.Drawing.Nesting

open CnnCluster.Dsl
open CnnCluster.Dsl.Drawing.Geometry
open CnnCluster.Dsl.Drawing.Layering
open CnnCluster.Dsl.Drawing.Nest

type Layout =
    {
        Width: float
        Height: float
        Boxes: (Vertex * Rectangle) list
        /// Outer ones first.
        Frames: (PlanUse * Rectangle) list
        Routes: Route list
        /// Heights at which a single edge is all that leads further down.
        Cuts: float list
        /// Where the values of outer vertices come in at the top, and those of inner ones leave at the bottom.
        Entries: Map<Vertex, float>
        Exits: Map<Vertex, float>
    }

/// What a layer of this level holds, with all the vertices in it.
type private Child =
    { Layout: Layout
      Members: Set<Vertex>
      IsBlock: bool }

let private moved dx dy (layout: Layout) =
    let move (rectangle: Rectangle) =
        { rectangle with
            X = rectangle.X + dx
            Y = rectangle.Y + dy }

    let moveStretch stretch =
        { X = stretch.X + dx
          Top = stretch.Top + dy
          Bottom = stretch.Bottom + dy }

    { layout with
        Boxes = [ for vertex, box in layout.Boxes -> vertex, move box ]
        Frames = [ for using, frame in layout.Frames -> using, move frame ]
        Routes =
            [ for route in layout.Routes ->
                  { route with
                      Stretches = List.map moveStretch route.Stretches } ]
        Entries = layout.Entries |> Map.map (fun _ x -> x + dx)
        Exits = layout.Exits |> Map.map (fun _ x -> x + dx) }

/// A single box: values come and go at its middle.
let private leaf (boxes: Map<Vertex, Stacks.Box>) (edges: Edge list) vertex =
    let box = boxes[vertex]
    let middle = box.Width / 2.0

    { Width = box.Width
      Height = box.Height
      Boxes =
        [ vertex,
          { X = 0.0
            Y = 0.0
            Width = box.Width
            Height = box.Height } ]
      Frames = []
      Routes = []
      Cuts = []
      Entries =
        Map.ofList
            [ for edge in edges do
                  if edge.To = vertex then edge.From, middle ]
      Exits = Map.ofList [ vertex, middle ] }

/// What one level is made of: entries, children and exits, in this order, and the arcs between them.
type private Level =
    { Entries: Vertex[]
      Children: Child[]
      Exits: Vertex[]
      Arcs: Arc[] }

let private port =
    { Width = 0.0
      Height = 0.0
      Role = Entry }

let private cellsOf (level: Level) =
    [| for _ in level.Entries -> port
       for child in level.Children ->
           { Width = child.Layout.Width
             Height = child.Layout.Height
             Role = Body }
       for _ in level.Exits -> { port with Role = Exit } |]

let private levelOf (children: Child[]) (edges: Edge list) =
    let home =
        Map.ofSeq
            [ for i, child in Array.indexed children do
                  for vertex in child.Members -> vertex, i ]

    let isInside vertex = home.ContainsKey vertex

    let entries =
        [| for edge in edges do
               if not (isInside edge.From) then edge.From |]
        |> Array.distinct

    let exits =
        [| for edge in edges do
               if not (isInside edge.To) then edge.From |]
        |> Array.distinct

    let tail value =
        match home.TryFind value with
        | Some i -> entries.Length + i, children[i].Layout.Exits[value]
        | None -> Array.findIndex ((=) value) entries, 0.0

    let head value reader =
        match home.TryFind reader with
        | Some i -> entries.Length + i, children[i].Layout.Entries[value]
        | None -> entries.Length + children.Length + Array.findIndex ((=) value) exits, 0.0

    let arcs =
        [| for edge in edges do
               let from, into = home.TryFind edge.From, home.TryFind edge.To

               // What stays within one child is drawn there.
               if from.IsNone || from <> into then
                   let (tail, tailX), (head, headX) = tail edge.From, head edge.From edge.To

                   { Tail = tail
                     TailX = tailX
                     Head = head
                     HeadX = headX } |]
        |> Array.distinct

    { Entries = entries
      Children = children
      Exits = exits
      Arcs = arcs }

/// Several edges into one box arrive side by side, in the order that they come from.
let private spread (level: Level) (graph: Layered) (orders: int[][]) =
    let place = Array.zeroCreate graph.Slots.Length

    for order in orders do
        order |> Array.iteri (fun i slot -> place[slot] <- i)

    let isBox slot =
        match graph.Slots[slot].Cell with
        | Some cell ->
            let i = cell - level.Entries.Length
            i >= 0 && i < level.Children.Length && not level.Children[i].IsBlock
        | None -> false

    let side (links: Link list) =
        let step = min 18.0 (graph.Slots[links.Head.Lower].Width / float (links.Length + 1))
        let middle = float (links.Length - 1) / 2.0

        links
        |> List.sortBy (fun link -> place[link.Upper], link.UpperX)
        |> List.mapi (fun i link ->
            { link with
                LowerX = link.LowerX + (float i - middle) * step })

    { graph with
        Links =
            graph.Links
            |> List.groupBy _.Lower
            |> List.collect (fun (lower, links) -> if isBox lower then side links else links) }

let private routesOf (level: Level) (graph: Layered) (x: float[]) (layers: (float * float)[]) =
    let ends = Map.ofList [ for link in graph.Links -> (link.Upper, link.Lower), link ]

    let top slot =
        let upper, lower = layers[graph.Slots[slot].Layer]
        upper + (lower - upper - graph.Slots[slot].Height) / 2.0

    [ for route in graph.Routes do
          let links = List.pairwise route |> List.map (fun pair -> ends[pair])
          let first, last = List.head route, List.last route

          { Arrives =
              last < level.Entries.Length + level.Children.Length
              && not level.Children[last - level.Entries.Length].IsBlock
            Stretches =
              [ { X = x[first] + links.Head.UpperX
                  Top = top first + graph.Slots[first].Height
                  Bottom = snd layers[graph.Slots[first].Layer] }
                for slot in route |> List.skip 1 |> List.truncate (route.Length - 2) do
                    let upper, lower = layers[graph.Slots[slot].Layer]

                    { X = x[slot]
                      Top = upper
                      Bottom = lower }
                { X = x[last] + (List.last links).LowerX
                  Top = fst layers[graph.Slots[last].Layer]
                  Bottom = top last } ] } ]

let private cutsOf (graph: Layered) (layers: (float * float)[]) =
    let links =
        graph.Links
        |> List.countBy (fun link -> graph.Slots[link.Upper].Layer)
        |> Map.ofList

    [ for layer in 0 .. layers.Length - 2 do
          if Map.tryFind layer links = Some 1 then
              (snd layers[layer] + fst layers[layer + 1]) / 2.0 ]

/// A level whose children are laid out already.
let private arrange (level: Level) =
    let graph = Layering.create (cellsOf level) level.Arcs
    let orders = Ordering.create graph
    let graph = spread level graph orders
    let x = Placement.horizontally graph orders |> Straightening.apply graph orders
    let layers = Placement.vertically graph x
    let first, count = level.Entries.Length, level.Children.Length

    let placed =
        [ for i, child in Array.indexed level.Children do
              let slot = graph.Slots[first + i]
              let upper, lower = layers[slot.Layer]
              moved x[first + i] (upper + (lower - upper - slot.Height) / 2.0) child.Layout ]

    { Width = Seq.max (Seq.mapi (fun i (slot: Slot) -> x[i] + slot.Width) graph.Slots)
      Height = snd (Array.last layers)
      Boxes = placed |> List.collect (fun (layout: Layout) -> layout.Boxes)
      Frames = placed |> List.collect (fun (layout: Layout) -> layout.Frames)
      Routes =
        (placed |> List.collect (fun (layout: Layout) -> layout.Routes))
        @ routesOf level graph x layers
      Cuts = cutsOf graph layers
      Entries = Map.ofSeq [ for i, value in Array.indexed level.Entries -> value, x[i] ]
      Exits = Map.ofSeq [ for i, value in Array.indexed level.Exits -> value, x[first + count + i] ] }

let private padding = 12.0

/// A block's frame around what is in it, with room for its name at the left of what comes in.
let private framed (using: PlanUse) (inner: Layout) =
    let name = Svg.widthOf 10.0 (Labels.localName using.Path) + 16.0

    let left =
        (padding, inner.Entries) ||> Map.fold (fun left _ x -> max left (name - x))

    let width = max name (left + inner.Width + padding)
    let above = if inner.Entries.IsEmpty then 20.0 else 0.0
    let below = if inner.Exits.IsEmpty then padding else 0.0
    let placed = moved left above inner

    let frame =
        { X = 0.0
          Y = 0.0
          Width = width
          Height = above + inner.Height + below }

    { placed with
        Width = frame.Width
        Height = frame.Height
        Frames = (using, frame) :: placed.Frames }

let rec private membersOf =
    function
    | Leaf vertex -> Set.singleton vertex
    | Group(_, items) -> items |> List.map membersOf |> Set.unionMany

let rec private childOf boxes (edges: Edge list) item =
    match item with
    | Leaf vertex ->
        { Layout = leaf boxes edges vertex
          Members = Set.singleton vertex
          IsBlock = false }
    | Group(using, items) ->
        let members = membersOf item

        let touching =
            edges
            |> List.filter (fun edge -> members.Contains edge.From || members.Contains edge.To)

        { Layout = framed using (layoutOf boxes touching items)
          Members = members
          IsBlock = true }

and private layoutOf boxes edges items =
    let children = [| for item in items -> childOf boxes edges item |]
    arrange (levelOf children edges)

/// Boxes, frames and edges of a whole diagram, from (0, 0).
let create boxes (diagram: Diagram) =
    layoutOf boxes diagram.Edges diagram.Items
