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
    | Group of path: string * Item list

/// A value on its way to one of its readers.
type Edge =
    { From: Vertex
      To: Vertex
      Shape: Shape }

type Diagram =
    { Folding: Folding
      Items: Item list
      Edges: Edge list }

let private steps (path: string) =
    path.Split '/' |> List.ofArray |> List.rev |> List.tail |> List.rev

/// Vertices whose paths begin alike, one after the other, are in one group.
let rec private nest prefix (leaves: (string list * Vertex) list) =
    match leaves with
    | [] -> []
    | ([], vertex) :: rest -> Leaf vertex :: nest prefix rest
    | (step :: _, _) :: _ ->
        let isInside (path: string list, _) = List.tryHead path = Some step
        let inside = List.takeWhile isInside leaves
        let path = if prefix = "" then step else $"{prefix}/{step}"
        let members = [ for path, vertex in inside -> List.tail path, vertex ]
        Group(path, nest path members) :: nest prefix (List.skip inside.Length leaves)

let private firstInside (folding: Folding) (path: string) =
    folding.Parts |> Array.find (fun part -> part.Path.StartsWith(path + "/"))

/// Whether a group is a later use of a shared set.
let isAgain folding path = (firstInside folding path).IsShared

/// What a group is called: the use, and where its weights are if it is a later use of a shared set.
let groupName (folding: Folding) (path: string) =
    let inside = firstInside folding path
    let steps (path: string) = path.Split '/'
    let local = Array.last (steps path)

    if inside.IsShared then
        let owner =
            steps inside.Owner |> Array.truncate (steps path).Length |> String.concat "/"

        $"{local}: weights of {owner}"
    else
        local

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
        nest "" [ for i, part in Array.indexed folding.Parts -> steps part.Path, PartVertex i ]

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
