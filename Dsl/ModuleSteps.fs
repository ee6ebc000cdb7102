namespace CnnCluster.Dsl

open System
open TorchSharp
open CnnCluster.Kernels.Layers.Lanes
open CnnCluster.Kernels.Layers.Winograd

/// What computes the layers of a network.
type LayerKernels =
    /// One layer at a time; on every device, in every type.
    | Library = 0
    /// Chains of small layers in lanes, and 3×3 convolutions by Winograd's algorithm, where that is faster: float32 on the
    /// CPU, with gradients in memory that stays.
    | Lanes = 1
    /// The same, but lanes wherever layers have a form in them, faster or not: for measurements.
    | LanesEverywhere = 2

/// A node's forward pass.
/// <param name="node">The node.</param>
/// <param name="forward">The layer with the activation behind it.</param>
/// <param name="tensors">The network's.</param>
/// <param name="reduced">What products are computed in where a run has a type of 16 bits.</param>
[<Sealed>]
type internal NodeStep
    (node: PlanNode, forward: LayerCall -> Tensor, tensors: NodeTensors, reduced: Nullable<torch.ScalarType>) =
    let weights, current, next =
        tensors.Weights node, tensors.Current node, tensors.Next node

    let newWeights () =
        if reduced.HasValue then Array.zeroCreate weights.Length else weights

    let newInputs () = Array.zeroCreate node.Inputs.Length

    let cache = new LayerCache()

    // Of passes that follow each other: a training step makes no arrays.
    let keptWeights, keptInputs = newWeights (), newInputs ()

    let callOf weights inputs step =
        { Weights = weights
          Inputs = inputs
          Current = current
          Next = next
          Step = step
          Cache = cache
          Path = node.Path }

    member _.Node = node

    /// What the layer gets, once its inputs are written into their places.
    member _.NewCall(step) =
        callOf (newWeights ()) (newInputs ()) step

    /// The same in passes that follow each other.
    member _.KeptCall(step) = callOf keptWeights keptInputs step

    member _.Forward(call: LayerCall) =
        if reduced.HasValue then
            ReducedPrecision.operands reduced.Value node.Layer call.Inputs weights call.Weights

        forward call

    interface IDisposable with
        member _.Dispose() = (cache :> IDisposable).Dispose()

/// One step of a forward pass: a node, or several in lanes.
[<RequireQualifiedAccess>]
type internal ModuleStep =
    | Node of NodeStep
    | Lanes of LaneNetwork * first: PlanNode * last: PlanNode

/// The steps of a network's forward pass.
module internal ModuleSteps =
    let private laneLayer (plan: NetworkPlan) (tensors: NodeTensors) (stage, last) =
        let lastPath = plan.Nodes[last].Path

        match stage with
        | LaneStagePlan.Convolution(node, geometry, ending) ->
            let node = plan.Nodes[node]
            let kernel, bias = tensors.LaneWeights node
            LaneLayer.Convolution(geometry, kernel, bias, ending, Path = node.Path, LastPath = lastPath) :> LaneLayer
        | LaneStagePlan.Dense(node, relu) ->
            let node = plan.Nodes[node]
            let kernel, bias = tensors.LaneWeights node
            LaneLayer.Dense(kernel, bias, relu, Path = node.Path, LastPath = lastPath)
        | LaneStagePlan.Normalisation(node, settings, ending) ->
            let node = plan.Nodes[node]

            let statistics =
                function
                | [ mean; variance ] -> LaneStatistics(mean, variance)
                | other -> invalidOp $"'{node.Path}' has {List.length other} buffers."

            LaneLayer.Normalisation(
                settings,
                tensors.LaneWeight(node, "scale"),
                tensors.LaneWeight(node, "shift"),
                statistics (tensors.Current node),
                statistics (tensors.Next node),
                ending,
                Path = node.Path,
                LastPath = lastPath
            )

    let private laneNetwork plan tensors (run: LaneRunPlan) (first: PlanNode) =
        let shape = first.InputShapes.Head

        new LaneNetwork(
            LaneShape(shape.Channels, shape.Sides[0].Value, shape.Sides[1].Value),
            [| for stage in run.Stages -> laneLayer plan tensors stage |]
        )

    /// The node's layer with the activation behind it.
    let private forwardOf (reduced: Nullable<torch.ScalarType>) (node: PlanNode) =
        match node.Activation with
        | Some activation ->
            let apply =
                if reduced.HasValue then
                    ReducedPrecision.activated activation
                else
                    activation.Definition.Apply activation.Values

            node.Layer.ForwardWith activation
            |> Option.defaultValue (node.Layer.Forward >> apply)
        | None -> node.Layer.Forward

    /// A convolution that has a kernel of ours, with the activation behind it. The kernel is of one thread: of several,
    /// libtorch's convolution takes them all.
    let private windowed scratch (node: PlanNode) =
        match node.Layer.Lanes, node.InputShapes with
        | Some(LaneForm.Convolution geometry), [ { Sides = [ Some height; Some width ] } as input ] ->
            WinogradLayer.Of(geometry, input.Channels, node.Layer.Output.Channels, Axes(height, width), scratch)
            |> Option.ofObj
            |> Option.map (fun layer ->
                let rectified = node.Activation |> Option.exists Activation.isRelu
                let library = forwardOf (Nullable()) node

                let activated =
                    match node.Activation with
                    | Some activation when not rectified -> activation.Definition.Apply activation.Values
                    | _ -> id

                fun (call: LayerCall) ->
                    if torch.get_num_threads () = 1 then
                        let kernel, bias = call.Weights[0], Weights.biasOf call.Weights
                        layer.Run(call.Input, kernel, bias, rectified, call.Step) |> activated
                    else
                        library call)
        | _ -> None

    /// In the order of the nodes, each with its place among them, that of the last for several, and its name in a trace.
    let ofPlan (plan: NetworkPlan) (tensors: NodeTensors) kernels scratch reduced =
        let runs =
            match kernels with
            | LayerKernels.Lanes -> LaneRuns.ofPlan plan
            | LayerKernels.LanesEverywhere -> LaneRuns.everywhere plan
            | _ -> []

        let nodes = Array.ofList plan.Nodes

        [| for i, node in Array.indexed nodes do
               match runs |> List.tryFind (fun run -> run.First <= i && i <= run.Last) with
               | Some run when run.Last = i ->
                   let first = nodes[run.First]
                   i, $"{first.Path} to {node.Path}", ModuleStep.Lanes(laneNetwork plan tensors run first, first, node)
               | Some _ -> ()
               | None ->
                   let forward =
                       (if kernels = LayerKernels.Library then None else windowed scratch node)
                       |> Option.defaultWith (fun () -> forwardOf reduced node)

                   i, node.Path, ModuleStep.Node(new NodeStep(node, forward, tensors, reduced)) |]
