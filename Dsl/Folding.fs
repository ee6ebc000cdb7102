namespace CnnCluster.Dsl

/// A line of a description, a box of a drawing: one layer, or all layers of a block's use that was folded into one.
type Part =
    {
        Path: string
        /// The path that its weights go by.
        Owner: string
        /// The uses that it stands in, outermost first.
        Uses: PlanUse list
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
    /// The uses that a node is shown in, and the one that it is folded into, if any.
    let private place depth (node: PlanNode) =
        match depth with
        | Some depth when node.Uses.Length >= depth ->
            let shown, folded = List.splitAt (depth - 1) node.Uses
            shown, Some folded.Head
        | _ -> node.Uses, None

    /// The nodes of a use follow one another, those of the uses within it among them, so that parts stay in an order in
    /// which each comes after its inputs.
    let private runs depth (plan: NetworkPlan) =
        ([], List.indexed plan.Nodes)
        ||> List.fold (fun runs (i, node) ->
            let shown, folded = place depth node

            match runs with
            | (uses, Some last, members) :: rest when folded = Some last -> (uses, Some last, i :: members) :: rest
            | _ -> (shown, folded, [ i ]) :: runs)
        |> List.rev
        |> List.map (fun (uses, folded, members) -> uses, folded, List.rev members)

    let private part (plan: NetworkPlan) (partOf: int[]) index (uses, folded: PlanUse option, members: int list) =
        let nodes = [ for i in members -> plan.Nodes[i] ]

        let inputs =
            [ for node in nodes do
                  for input in node.Inputs do
                      match input with
                      | FromInput i -> FromInput i
                      | FromNode i when partOf[i] <> index -> FromNode partOf[i]
                      | FromNode _ -> () ]

        let path, owner =
            match folded with
            | Some using -> using.Path, using.Owner
            | None -> nodes.Head.Path, nodes.Head.Owner

        { Path = path
          Owner = owner
          Uses = uses
          Nodes = nodes
          Inputs = if folded.IsSome then List.distinct inputs else inputs
          IsFolded = folded.IsSome }

    /// Folds what lies deeper than `depth`, which is 1 at least; `None` folds nothing.
    let create depth (plan: NetworkPlan) =
        let runs = runs depth plan
        let partOf = Array.zeroCreate plan.Nodes.Length

        for index, (_, _, members) in List.indexed runs do
            for i in members do
                partOf[i] <- index

        { Plan = plan
          Parts = runs |> List.mapi (part plan partOf) |> Array.ofList
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
