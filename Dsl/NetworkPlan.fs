namespace CnnCluster.Dsl

open System.Collections.Generic

/// Where a layer's input comes from.
type NodeInput =
    | FromInput of int
    | FromNode of int

/// An argument of a layer, and its value at this use.
type PlanArgument =
    {
        Definition: ArgumentDefinition
        Value: Value
        /// Whether the script, or its defaults, gave it.
        Given: bool
    }

module PlanArgument =
    /// All that have a value, in the catalogue's order.
    let all (layer: LayerDefinition) (values: ArgumentValues) =
        [ for argument in layer.Arguments do
              match values.TryFind argument.Name with
              | Some value ->
                  { Definition = argument
                    Value = value
                    Given = values.IsGiven argument.Name }
              | None -> () ]

/// One use of a block or a shared set.
type PlanUse =
    {
        /// Such as `bottleneck3`, or `tower@2`: within blocks that of the block is in front of it, but a shared set is
        /// the network's, and its uses are counted all over.
        Path: string
        /// The path that its weights go by: its own, or that of the first use of a shared set.
        Owner: string
    }

    member using.IsShared = using.Path <> using.Owner

/// Sums of counts.
module internal Count =
    /// `None` as soon as one of them is not known, or where the sum does not fit.
    let total (counts: int64 option seq) =
        let plus a b =
            if a > System.Int64.MaxValue - b then None else Some(a + b)

        (Some 0L, counts)
        ||> Seq.fold (fun sum count -> Option.map2 plus sum count |> Option.flatten)

/// One layer of a checked network.
type PlanNode =
    {
        /// Its stable path, such as `conv1` or `bottleneck3/conv2`: for logs and errors.
        Path: string
        /// The path that its weights go by: its own, or that of the first use of a shared set.
        Owner: string
        /// The uses that it was expanded in, outermost first.
        Uses: PlanUse list
        /// The catalogue's word for it.
        Kind: string
        Inputs: NodeInput list
        InputShapes: Shape list
        /// In the catalogue's order; an activation alone on a line has none.
        Arguments: PlanArgument list
        Layer: LayerPlan
        Activation: Activation option
        Span: Span
    }

    member node.IsOwner = node.Path = node.Owner

/// An input of a network; its shape is that of one sample.
type PlanInput = { Name: string; Shape: Shape }

/// An output of a network, and the value that it is.
type PlanOutput = { Name: string; Source: NodeInput }

/// A weight or a buffer of the whole network, `conv1/kernel` by name.
type NamedTensor =
    { Name: string
      Shape: IReadOnlyList<int64>
      L1: float
      L2: float }

/// What the elements of a value are, and the activation that made them so: `linear` if there is none.
type Elements =
    {
        Kind: ValueKind
        /// The activation's name.
        Activation: string
    }

module internal Elements =
    let numbers =
        { Kind = ValueKind.Numbers
          Activation = "linear" }

    /// What all operands are.
    let private common (inputs: Elements list) =
        match inputs |> List.map _.Kind |> List.distinct with
        | [ _ ] -> inputs.Head
        | kinds when List.forall (fun kind -> kind = ValueKind.Probabilities || kind = ValueKind.Chances) kinds ->
            { inputs.Head with
                Kind = ValueKind.Chances }
        | _ -> numbers

    /// Over other channels than the softmax had, probabilities are no longer 1 together.
    let private rearranged (node: PlanNode) elements =
        let same =
            node.InputShapes
            |> List.forall (fun shape -> shape.Channels = node.Layer.Output.Channels)

        if elements.Kind = ValueKind.Probabilities && not same then
            { elements with
                Kind = ValueKind.Chances }
        else
            elements

    let private behindLayer (node: PlanNode) inputs =
        match node.Layer.Effect with
        | Effect.Computes -> numbers
        | Effect.Averages -> common inputs
        | Effect.Keeps -> common inputs |> rearranged node

    let behind (node: PlanNode) inputs =
        match node.Activation |> Option.map _.Definition with
        | Some { Gives = Some kind; Name = name } -> { Kind = kind; Activation = name }
        | Some { Gives = None }
        | None -> behindLayer node inputs

/// A checked network: shapes resolved, layers in an order in which each comes after its inputs.
type NetworkPlan =
    {
        Name: string
        Inputs: PlanInput list
        Nodes: PlanNode list
        /// At least one.
        Outputs: PlanOutput list
    }

    member plan.ShapeOf source =
        match source with
        | FromInput i -> plan.Inputs[i].Shape
        | FromNode i -> plan.Nodes[i].Layer.Output

    /// The shape of the first output.
    member plan.OutputShape = plan.ShapeOf plan.Outputs.Head.Source

    /// The nodes that own their weights: all, but for later uses of shared sets.
    member plan.Owners = plan.Nodes |> List.filter _.IsOwner

    member private plan.WeightsWhere trainable =
        [ for node in plan.Owners do
              for weight in node.Layer.Weights do
                  if weight.Trainable = trainable then
                      { Name = $"{node.Path}/{weight.Name}"
                        Shape = weight.Shape
                        L1 = weight.Regularizer.L1
                        L2 = weight.Regularizer.L2 } ]

    /// The trainable tensors, in declaration order.
    member plan.Weights: IReadOnlyList<NamedTensor> = plan.WeightsWhere true

    /// The names of those with a regularizer, in the same order.
    member plan.RegularizedWeights: IReadOnlyList<string> =
        [ for weight in plan.WeightsWhere true do
              if weight.L1 > 0.0 || weight.L2 > 0.0 then weight.Name ]

    /// What is kept but not trained: frozen and fixed weights, then what layers keep besides weights; each in
    /// declaration order.
    member plan.Buffers: IReadOnlyList<NamedTensor> =
        plan.WeightsWhere false
        @ [ for node in plan.Owners do
                for buffer in node.Layer.Buffers do
                    { Name = $"{node.Path}/{buffer.Name}"
                      Shape = buffer.Shape
                      L1 = 0.0
                      L2 = 0.0 } ]

    /// How many numbers are trained.
    member plan.Trainable = plan.Weights |> Seq.sumBy (fun w -> w.Shape |> Seq.fold (*) 1L)

    /// How many weights there are, trained or not; running statistics are none.
    member plan.Parameters =
        plan.Owners |> List.sumBy (fun node -> node.Layer.Weights |> List.sumBy _.Count)

    /// For one sample; `None` while a side is open, or where the sum is beyond 64 bits.
    member plan.MultiplyAdds = plan.Nodes |> Seq.map _.Layer.MultiplyAdds |> Count.total

    /// What is known of a value from what is known of the inputs and of each node behind its own inputs.
    member private plan.Along(ofInput: 'a, ofNode: PlanNode -> 'a list -> 'a) =
        let known = Array.zeroCreate plan.Nodes.Length

        let at =
            function
            | FromInput _ -> ofInput
            | FromNode i -> known[i]

        for i, node in List.indexed plan.Nodes do
            known[i] <- ofNode node (List.map at node.Inputs)

        at

    /// What the elements of an output are.
    member plan.ElementsOf(output: PlanOutput) =
        plan.Along (Elements.numbers, Elements.behind) output.Source

    /// Whether a trained weight stands anywhere in front of an output: only then its losses have a gradient.
    member plan.IsTrained(output: PlanOutput) =
        let trains (node: PlanNode) =
            node.Layer.Weights |> List.exists _.Trainable

        plan.Along (false, (fun node inputs -> trains node || List.contains true inputs)) output.Source
