namespace CnnCluster.Dsl

open System.Collections.Generic
open CnnCluster.Kernels.Layers.Lanes

/// The tensors a network computes with, in the plan's order: views into arenas, or tensors of their own.
type NetworkTensors =
    { Weights: IReadOnlyList<Tensor>
      Gradients: IReadOnlyList<Tensor>
      Buffers: IReadOnlyList<Tensor>
      NextBuffers: IReadOnlyList<Tensor> }

/// Which of a network's tensors are whose: a node's, by its owner's name and its own.
/// <param name="plan">The network.</param>
/// <param name="parameters">The trained weights, which stand in place of `tensors.Weights`.</param>
type internal NodeTensors(plan: NetworkPlan, tensors: NetworkTensors, parameters: IReadOnlyList<Tensor>) =
    let byName (names: NamedTensor seq) (views: IReadOnlyList<Tensor>) =
        dict (Seq.zip (names |> Seq.map _.Name) views)

    let weights = byName plan.Weights parameters
    let gradients = byName plan.Weights tensors.Gradients
    let current = byName plan.Buffers tensors.Buffers
    let next = byName plan.Buffers tensors.NextBuffers

    let buffersOf (node: PlanNode) (all: IDictionary<string, Tensor>) =
        [ for buffer in node.Layer.Buffers -> all[$"{node.Owner}/{buffer.Name}"] ]

    let laneWeight (node: PlanNode) (weight: WeightDefinition) =
        let name = $"{node.Owner}/{weight.Name}"

        if weight.Trainable then
            LaneWeight(weights[name], gradients[name])
        else
            LaneWeight(current[name], null)

    /// A node's weights, those that are not trained among them.
    member _.Weights(node: PlanNode) =
        [| for weight in node.Layer.Weights ->
               (if weight.Trainable then weights else current)[$"{node.Owner}/{weight.Name}"] |]

    /// A node's buffers as the last committed step left them.
    member _.Current(node: PlanNode) = buffersOf node current

    /// What a step makes of them.
    member _.Next(node: PlanNode) = buffersOf node next

    /// A node's kernel and bias, as lanes take them.
    member _.LaneWeights(node: PlanNode) : LaneWeight * (LaneWeight | null) =
        match node.Layer.Weights |> List.map (laneWeight node) with
        | [ kernel; bias ] -> kernel, bias
        | [ kernel ] -> kernel, null
        | other -> invalidOp $"'{node.Path}' has {other.Length} weights."

    /// A node's weight by its name, as lanes take it; null where the node has none of it.
    member _.LaneWeight(node: PlanNode, name: string) : LaneWeight | null =
        node.Layer.Weights
        |> List.tryFind (fun weight -> weight.Name = name)
        |> Option.map (laneWeight node)
        |> Option.toObj
