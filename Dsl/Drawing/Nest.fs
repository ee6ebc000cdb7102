/// Parts in their blocks: what becomes clusters in DOT and rounded rectangles in SVG.
module internal CnnCluster.Dsl.Drawing.Nest

open CnnCluster.Dsl

/// What a drawing shows as one thing.
type Vertex =
    | InputVertex of int
    | PartVertex of int
    /// By its place among the outputs.
    | OutputVertex of int

type Item =
    | Leaf of Vertex
    | Group of PlanUse * Item list

/// A value on its way to one of its readers.
type Edge =
    { From: Vertex
      To: Vertex
      Shape: Shape }

type Diagram =
    { Folding: Folding
      Items: Item list
      Edges: Edge list }

/// Vertices that stand in the same use, one after the other, are in one group.
let rec private nest (leaves: (PlanUse list * Vertex) list) =
    match leaves with
    | [] -> []
    | ([], vertex) :: rest -> Leaf vertex :: nest rest
    | (using :: _, _) :: _ ->
        let isInside (uses, _) = List.tryHead uses = Some using
        let inside = List.takeWhile isInside leaves

        Group(using, nest [ for uses, vertex in inside -> List.tail uses, vertex ])
        :: nest (List.skip inside.Length leaves)

/// What a group is called: the use, and where its weights are if it is a later use of a shared set.
let groupName (using: PlanUse) =
    let local = Labels.localName using.Path
    if using.IsShared then $"{local}: weights of {using.Owner}" else local

let private vertexOf =
    function
    | FromInput i -> InputVertex i
    | FromNode i -> PartVertex i

/// Outputs are shown where there is more to say than that the last layer is it.
let private shownOutputs (folding: Folding) =
    if folding.Outputs.Length > 1 then List.indexed folding.Outputs else []

let ofPlan depth (plan: NetworkPlan) =
    let folding = Folding.create depth plan

    let parts =
        nest [ for i, part in Array.indexed folding.Parts -> part.Uses, PartVertex i ]

    let outputs = shownOutputs folding

    { Folding = folding
      Items =
        [ for i in 0 .. plan.Inputs.Length - 1 -> Leaf(InputVertex i) ]
        @ parts
        @ [ for i, _ in outputs -> Leaf(OutputVertex i) ]
      Edges =
        [ for i, part in Array.indexed folding.Parts do
              for input in List.distinct part.Inputs do
                  { From = vertexOf input
                    To = PartVertex i
                    Shape = Folding.shapeOf folding input }
          for i, (_, source) in outputs do
              { From = vertexOf source
                To = OutputVertex i
                Shape = Folding.shapeOf folding source } ] }
