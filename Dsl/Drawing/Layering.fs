/// A graph in layers, the first step of drawing it top down (Sugiyama, Tagawa, Toda 1981): every edge leads from a layer
/// to the next one, through dummies where it is longer.
module internal CnnCluster.Dsl.Drawing.Layering

/// Where edges from outside come in at the top, and where they leave at the bottom, or neither.
type Role =
    | Entry
    | Body
    | Exit

/// A vertex to be placed.
type Cell =
    { Width: float
      Height: float
      Role: Role }

/// An edge between cells; it leaves and arrives so far from their left sides.
type Arc =
    { Tail: int
      TailX: float
      Head: int
      HeadX: float }

/// A cell, or a stretch of an edge that passes through a layer.
type Slot =
    { Cell: int option
      Layer: int
      Width: float
      Height: float }

/// A piece of an edge between two layers.
type Link =
    {
        Upper: int
        UpperX: float
        Lower: int
        LowerX: float
        /// How much a bend would hurt: long edges are to be straight.
        Weight: float
    }

type Layered =
    {
        Slots: Slot[]
        Links: Link list
        /// The slots of each arc, from its tail to its head.
        Routes: int list[]
        /// The entry and the exit of a block with one of each: it is to go straight through.
        Tie: (int * int) option
        LayerCount: int
    }

/// The longest path from a source. Arcs come in an order in which each tail is finished before it is left.
let private longestPaths (cells: Cell[]) (arcs: Arc[]) =
    let first = if cells |> Array.exists (fun cell -> cell.Role = Entry) then 1 else 0

    let layers = cells |> Array.map (fun cell -> if cell.Role = Entry then 0 else first)

    for arc in arcs |> Array.sortBy _.Tail do
        layers[arc.Head] <- max layers[arc.Head] (layers[arc.Tail] + 1)

    layers

/// Sources come down to just above what reads them; exits are at the bottom.
let private layersOf (cells: Cell[]) (arcs: Arc[]) =
    let layers = longestPaths cells arcs
    let hasInput = arcs |> Array.map _.Head |> Set.ofArray
    let last = Seq.max layers

    for i, cell in Array.indexed cells do
        let heads =
            [ for arc in arcs do
                  if arc.Tail = i then layers[arc.Head] ]

        match cell.Role with
        | Exit -> layers[i] <- last
        | Body when not heads.IsEmpty && not (hasInput.Contains i) -> layers[i] <- List.min heads - 1
        | _ -> ()

    layers

let private weight (slots: ResizeArray<Slot>) upper lower =
    match slots[upper].Cell, slots[lower].Cell with
    | None, None -> 8.0
    | Some _, Some _ -> 1.0
    | _ -> 2.0

/// The slots of one arc; its dummies are added.
let private route (slots: ResizeArray<Slot>) (layers: int[]) (arc: Arc) =
    [ arc.Tail
      for layer in layers[arc.Tail] + 1 .. layers[arc.Head] - 1 do
          slots.Add
              { Cell = None
                Layer = layer
                Width = 0.0
                Height = 0.0 }

          slots.Count - 1
      arc.Head ]

let private linksOf slots (arc: Arc) (route: int list) =
    let pairs = List.pairwise route

    [ for i, (upper, lower) in List.indexed pairs ->
          { Upper = upper
            UpperX = if i = 0 then arc.TailX else 0.0
            Lower = lower
            LowerX = if i = pairs.Length - 1 then arc.HeadX else 0.0
            Weight = weight slots upper lower } ]

let private tieOf (cells: Cell[]) =
    let ofRole role =
        [ for i, cell in Array.indexed cells do
              if cell.Role = role then i ]

    match ofRole Entry, ofRole Exit with
    | [ entry ], [ exit ] -> Some(entry, exit)
    | _ -> None

/// The cells' order is one in which each comes after those it is reached from.
let create (cells: Cell[]) (arcs: Arc[]) =
    let layers = layersOf cells arcs

    let slots =
        ResizeArray
            [ for i, cell in Array.indexed cells ->
                  { Cell = Some i
                    Layer = layers[i]
                    Width = cell.Width
                    Height = cell.Height } ]

    let routes = arcs |> Array.map (route slots layers)

    { Links =
        [ for arc, route in Seq.zip arcs routes do
              yield! linksOf slots arc route ]
      Slots = slots.ToArray()
      Routes = routes
      Tie = tieOf cells
      LayerCount = 1 + Seq.max layers }
