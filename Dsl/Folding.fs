namespace CnnCluster.Dsl

/// A line of a description, a box of a drawing: one layer, or all layers of a block's use that was folded into one.
type Part =
    {
        Path: string
        /// The path that its weights go by.
        Owner: string
        /// At least one.
        Nodes: PlanNode list
        /// Nodes are parts here. Of a folded use: the values from outside, each once.
        Inputs: NodeInput list
        IsFolded: bool
    }

    member part.Output = (List.last part.Nodes).Layer.Output
    member part.IsShared = part.Path <> part.Owner

/// A plan, seen from a distance: blocks deeper than some depth are one part each.
type Folding =
    { Plan: NetworkPlan
      Parts: Part[]
      Outputs: (PlanOutput * NodeInput) list }

module Folding =
    /// The first `depth` steps of a path.
    let private cut depth (path: string) =
        match depth with
        | None -> path
        | Some depth -> path.Split '/' |> Array.truncate depth |> String.concat "/"

    /// The nodes of a block's use follow one another, so that parts stay in an order in which each comes after its
    /// inputs.
    let private runs depth (plan: NetworkPlan) =
        ([], List.indexed plan.Nodes)
        ||> List.fold (fun runs (i, node) ->
            let path = cut depth node.Path

            match runs with
            | (same, members) :: rest when same = path -> (path, i :: members) :: rest
            | _ -> (path, [ i ]) :: runs)
        |> List.rev
        |> List.map (fun (path, members) -> path, List.rev members)

    let private part depth (plan: NetworkPlan) (partOf: int[]) index (path, members: int list) =
        let nodes = [ for i in members -> plan.Nodes[i] ]
        let isFolded = path <> nodes.Head.Path

        let inputs =
            [ for node in nodes do
                  for input in node.Inputs do
                      match input with
                      | FromInput i -> FromInput i
                      | FromNode i when partOf[i] <> index -> FromNode partOf[i]
                      | FromNode _ -> () ]

        { Path = path
          Owner = cut depth nodes.Head.Owner
          Nodes = nodes
          Inputs = if isFolded then List.distinct inputs else inputs
          IsFolded = isFolded }

    /// Folds what lies deeper than `depth`, which is 1 at least; `None` folds nothing.
    let create depth (plan: NetworkPlan) =
        let runs = runs depth plan
        let partOf = Array.zeroCreate plan.Nodes.Length

        for index, (_, members) in List.indexed runs do
            for i in members do
                partOf[i] <- index

        { Plan = plan
          Parts = runs |> List.mapi (part depth plan partOf) |> Array.ofList
          Outputs =
            [ for output in plan.Outputs ->
                  output,
                  match output.Source with
                  | FromInput i -> FromInput i
                  | FromNode i -> FromNode partOf[i] ] }

    let nameOf folding =
        function
        | FromInput i -> folding.Plan.Inputs[i].Name
        | FromNode i -> folding.Parts[i].Path

    let shapeOf folding =
        function
        | FromInput i -> folding.Plan.Inputs[i].Shape
        | FromNode i -> folding.Parts[i].Output
