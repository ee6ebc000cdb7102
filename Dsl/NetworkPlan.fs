namespace CnnCluster.Dsl

open System.Collections.Generic

/// Where a layer's input comes from.
type NodeInput =
    | FromInput of int
    | FromNode of int

/// One layer of a checked network.
type PlanNode =
    {
        /// Its stable path, such as `conv1`: for weights, logs and errors.
        Path: string
        /// The catalogue's word for it.
        Kind: string
        Inputs: NodeInput list
        InputShapes: Shape list
        Layer: LayerPlan
        Activation: Activation option
        Span: Span
    }

/// An input of a network; its shape is that of one sample.
type PlanInput = { Name: string; Shape: Shape }

/// A weight or a buffer of the whole network, `conv1/kernel` by name.
type NamedTensor =
    { Name: string
      Shape: IReadOnlyList<int64>
      L1: float
      L2: float }

/// A checked network: shapes resolved, layers in an order in which each comes after its inputs.
type NetworkPlan =
    { Name: string
      Inputs: PlanInput list
      Nodes: PlanNode list
      Output: NodeInput }

    member plan.ShapeOf source =
        match source with
        | FromInput i -> plan.Inputs[i].Shape
        | FromNode i -> plan.Nodes[i].Layer.Output

    member plan.OutputShape = plan.ShapeOf plan.Output

    /// The trainable tensors, in declaration order.
    member plan.Weights: IReadOnlyList<NamedTensor> =
        [ for node in plan.Nodes do
              for weight in node.Layer.Weights do
                  { Name = $"{node.Path}/{weight.Name}"
                    Shape = weight.Shape
                    L1 = weight.Regularizer.L1
                    L2 = weight.Regularizer.L2 } ]

    /// What layers keep besides weights, in declaration order.
    member plan.Buffers: IReadOnlyList<NamedTensor> =
        [ for node in plan.Nodes do
              for buffer in node.Layer.Buffers do
                  { Name = $"{node.Path}/{buffer.Name}"
                    Shape = buffer.Shape
                    L1 = 0.0
                    L2 = 0.0 } ]

    /// How many numbers are trained.
    member plan.Parameters =
        plan.Weights |> Seq.sumBy (fun w -> w.Shape |> Seq.fold (*) 1L)

    /// Whether the last layer's activation makes probabilities.
    member plan.EndsInSoftmax =
        match plan.Output with
        | FromInput _ -> false
        | FromNode i ->
            let node = plan.Nodes[i]
            let activation = node.Activation |> Option.map _.Definition.Name
            activation = Some "softmax"
