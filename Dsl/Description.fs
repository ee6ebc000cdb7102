namespace CnnCluster.Dsl

open System.Collections.Generic

/// One layer, or a folded block's use, as `cnn describe` shows it. Counts are for one sample; null while a side is
/// open, and where a number is beyond 64 bits.
type LayerDescription =
    {
        Name: string
        /// The catalogue's word; `block` for a folded use.
        Kind: string
        Inputs: IReadOnlyList<string>
        /// Whether its one input is the line above, or the network's only input.
        FollowsLineAbove: bool
        /// Sides, then channels.
        Output: IReadOnlyList<System.Nullable<int>>
        OutputText: string
        /// As float32.
        ActivationBytes: System.Nullable<int64>
        Parameters: int64
        Trainable: int64
        MultiplyAdds: System.Nullable<int64>
        /// A side each; the whole input's behind `flatten`; empty for an input without sides. Null beyond 2^53, up to which
        /// it is counted exactly.
        ReceptiveField: IReadOnlyList<System.Nullable<int64>>
        Activation: string
        /// The layer or use whose weights a later use of a shared set computes with; empty for one with its own.
        WeightsOf: string
    }

/// An input as `cnn describe` shows it.
type InputDescription =
    {
        Name: string
        /// Sides, then channels; null for an open side.
        Shape: IReadOnlyList<System.Nullable<int>>
        ShapeText: string
    }

/// A network as `cnn describe` shows it.
type NetworkDescription =
    {
        Network: string
        Inputs: IReadOnlyList<InputDescription>
        /// Each output's name and the layer or input that it is.
        Outputs: IReadOnlyList<struct (string * string)>
        Layers: IReadOnlyList<LayerDescription>
        Parameters: int64
        Trainable: int64
        MultiplyAdds: System.Nullable<int64>
        /// The outputs of all layers together, as float32.
        ActivationBytes: System.Nullable<int64>
    }

    /// Whether each line is about the value of the line above.
    member network.IsChain = network.Layers |> Seq.forall _.FollowsLineAbove

module Description =
    let private nullable =
        function
        | Some value -> System.Nullable value
        | None -> System.Nullable()

    let private sidesOf (shape: Shape) =
        List.map nullable shape.Sides @ [ System.Nullable shape.Channels ]

    /// The inputs that a node's value comes from, by the node's path.
    let private inputsSeen (plan: NetworkPlan) =
        let seen = Array.create plan.Nodes.Length Set.empty

        let at =
            function
            | FromInput i -> Set.singleton i
            | FromNode i -> seen[i]

        for i, node in List.indexed plan.Nodes do
            seen[i] <- node.Inputs |> List.map at |> Set.unionMany

        dict [ for i, node in List.indexed plan.Nodes -> node.Path, [ for input in seen[i] -> plan.Inputs[input] ] ]

    /// Where the whole input is seen, its sides; of several inputs, the greatest of each.
    let private whole (inputs: PlanInput list) =
        let sides = inputs |> List.map _.Shape.Sides
        let rank = sides |> List.map List.length |> List.max

        [ for axis in 0 .. rank - 1 ->
              sides
              |> List.choose (List.tryItem axis)
              |> List.reduce (Option.map2 max)
              |> Option.map int64
              |> nullable ]

    /// Doubles count whole numbers as far as this.
    let private farthest = 9007199254740992.0

    let private field (inputs: PlanInput list) =
        function
        | Window sights ->
            [ for sight in sights ->
                  if sight.Size <= farthest then
                      System.Nullable(int64 (ceil sight.Size))
                  else
                      System.Nullable() ]
        | Whole -> whole inputs

    let private bytes (node: PlanNode) =
        node.Layer.Output.Elements |> Option.map (fun elements -> 4L * elements)

    let private activation (part: Part) =
        let node = List.last part.Nodes

        match node.Activation with
        | Some activation when not part.IsFolded && activation.Definition.Name <> node.Kind ->
            Activation.text activation
        | _ -> ""

    /// Whether the line above is all that a line reads; the first line reads the network's input.
    let private follows (plan: NetworkPlan) index (part: Part) =
        match part.Inputs with
        | [ FromInput _ ] -> index = 0 && plan.Inputs.Length = 1
        | [ FromNode i ] -> i = index - 1
        | _ -> false

    let private line (folding: Folding) (seen: IDictionary<string, PlanInput list>) index (part: Part) =
        let node = List.last part.Nodes
        let weights = part.Nodes |> List.filter _.IsOwner |> List.collect _.Layer.Weights

        let hasWeights =
            part.Nodes |> List.exists (fun node -> not node.Layer.Weights.IsEmpty)

        { Name = part.Path
          Kind = if part.IsFolded then "block" else node.Kind
          Inputs = part.Inputs |> List.map (Folding.nameOf folding)
          FollowsLineAbove = follows folding.Plan index part
          Output = sidesOf part.Output
          OutputText = Shape.text part.Output
          ActivationBytes = part.Nodes |> Seq.map bytes |> Count.total |> nullable
          Parameters = weights |> List.sumBy _.Count
          Trainable = weights |> List.filter _.Trainable |> List.sumBy _.Count
          MultiplyAdds = part.Nodes |> Seq.map _.Layer.MultiplyAdds |> Count.total |> nullable
          ReceptiveField = field seen[node.Path] node.Layer.Field
          Activation = activation part
          WeightsOf = if part.IsShared && hasWeights then part.Owner else "" }

    /// What there is to say of a network without running it. Uses of blocks deeper than `depth`, which is 1 at least, are
    /// one line each; null folds nothing.
    let folded (depth: System.Nullable<int>) (plan: NetworkPlan) =
        let folding = Folding.create (Option.ofNullable depth) plan

        { Network = plan.Name
          Inputs =
            [ for input in plan.Inputs ->
                  { Name = input.Name
                    Shape = sidesOf input.Shape
                    ShapeText = Shape.text input.Shape } ]
          Outputs = [ for output, source in folding.Outputs -> struct (output.Name, Folding.nameOf folding source) ]
          Layers = folding.Parts |> Array.mapi (line folding (inputsSeen plan)) |> List.ofArray
          Parameters = plan.Parameters
          Trainable = plan.Trainable
          MultiplyAdds = nullable plan.MultiplyAdds
          ActivationBytes = plan.Nodes |> Seq.map bytes |> Count.total |> nullable }

    /// What there is to say of a network without running it, layer by layer.
    let ofPlan plan = folded (System.Nullable()) plan
