namespace CnnCluster.Dsl

open System
open System.Collections.Generic
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Kernels.Layers
open CnnCluster.Kernels.Layers.Lanes
open CnnCluster.Kernels.Layers.Winograd
open CnnCluster.Kernels.Tracing

[<AutoOpen>]
module private Reshaping =
    /// What lanes gave, (N, C, H, W), in the shape of the plan: (N, C) where it has no sides.
    let reshaped (shape: Shape) (samples: Tensor) =
        if shape.Rank = 0 then samples.flatten 1L else samples

module private Initial =
    let fill (tensor: Tensor) (values: uint64 -> float) =
        let data = Array.init (int (tensor.numel ())) (fun i -> values (uint64 i))
        use _ = torch.no_grad ()
        use flat = torch.tensor (data, dtype = torch.float64)
        use shaped = flat.reshape tensor.shape
        tensor.copy_ shaped |> ignore

/// A checked network as a TorchSharp module. Its inputs are (N, C, sides…), its outputs have N first too.
/// Weights are registered by their paths, such as `conv1/kernel`. Intermediate tensors belong to the caller's scope.
type NetworkModule
    private
    (
        plan: NetworkPlan,
        tensors: NetworkTensors,
        kernels: LayerKernels,
        reduced: Nullable<torch.ScalarType>,
        owned: Tensor list
    ) as this =
    inherit torch.nn.Module<Tensor, Tensor>(plan.Name)

    let trained =
        [| for view, gradient in Seq.zip tensors.Weights tensors.Gradients do
               // A parameter takes its tensor's handle over: it gets one of its own on the same memory.
               let parameter = new Modules.Parameter(view.detach().DetachFromDisposeScope(), true)
               parameter.grad <- gradient
               parameter |]

    let parameterList: IReadOnlyList<Tensor> = [| for p in trained -> p :> Tensor |]

    let nodeTensors = NodeTensors(plan, tensors, parameterList)
    let scratch = new WinogradScratch()
    let steps = ModuleSteps.ofPlan plan nodeTensors kernels scratch reduced
    let outputSources = [| for output in plan.Outputs -> output.Source |]
    let passed = Array.zeroCreate<Tensor> plan.Nodes.Length

    let inLanes: LaneNetwork | null =
        match steps, plan.Inputs.Length, outputSources with
        | [| place, _, ModuleStep.Lanes(network, _, _) |], 1, [| FromNode last |] when last = place -> network
        | _ -> null

    let sourceOf (inputs: IReadOnlyList<Tensor>) (values: Tensor[]) =
        function
        | FromInput i -> inputs[i]
        | FromNode i -> values[i]

    let fillIn (inputs: IReadOnlyList<Tensor>) (values: Tensor[]) (node: PlanNode) (given: Tensor[]) =
        let mutable i = 0

        for source in node.Inputs do
            given[i] <- sourceOf inputs values source
            i <- i + 1

    // What the first pass gave had the shapes of the plan.
    let mutable hasPlannedShapes = false

    let checkShape (node: PlanNode) (value: Tensor) =
        let planned = node.Layer.Output

        let given =
            { Channels = int value.shape[1]
              Sides = [ for side in value.shape[2..] -> Some(int side) ] }

        // An open side may be of any length.
        let fits =
            given.Channels = planned.Channels
            && given.Rank = planned.Rank
            && List.forall2 (fun side open' -> open' = None || side = open') given.Sides planned.Sides

        if not fits then
            invalidOp
                $"'{node.Path}': the forward pass of '{node.Kind}' gave samples of {Shape.text given}, and its plan says {Shape.text planned}."

    // Of each weight, the first node that uses it: blocks that share a set use it more than once.
    let firstUse =
        let uses =
            [ for i, node in List.indexed plan.Nodes do
                  for weight in node.Layer.Weights -> $"{node.Owner}/{weight.Name}", i ]
            |> List.rev
            |> dict

        [| for weight in plan.Weights -> uses[weight.Name] |]

    do
        for weight, parameter in Seq.zip plan.Weights trained do
            this.register_parameter (weight.Name, parameter)

    /// On tensors that whoever made them disposes.
    new(plan, tensors, kernels) = new NetworkModule(plan, tensors, kernels, Nullable(), [])

    /// On float32 tensors, with products in a type of 16 bits, by libtorch; outputs are float32.
    new(plan, tensors, reduced: torch.ScalarType) =
        new NetworkModule(plan, tensors, LayerKernels.Library, Nullable reduced, [])

    /// The same, computed by libtorch.
    new(plan, tensors) = new NetworkModule(plan, tensors, LayerKernels.Library, Nullable(), [])

    /// What layers may know of the step; set before every forward pass.
    member val Step = new StepContext(0UL, new SoloCollective()) with get, set

    /// Who hears in backward which gradients are complete; set before a forward pass.
    member val Marks = GradientMarks.None with get, set

    /// The places that `Marks` may have, in rising order, each with the first of the weights whose gradients, from that one
    /// on, are complete when backward has come to it.
    member _.Boundaries: IReadOnlyList<struct (int * int)> =
        [| for place, _, _ in steps do
               match Array.tryFindIndexBack (fun first -> first <= place) firstUse with
               | Some last -> struct (place, last + 1)
               | None -> struct (place, 0) |]

    member _.Plan = plan

    /// The run in lanes that takes the one input to the one output, where the network is that alone; or null.
    member _.InLanes: LaneNetwork | null = inLanes

    /// The weights and then the buffers that it computes with, in the plan's order: what changes them changes it.
    member _.Tensors: IReadOnlyList<Tensor> =
        [| yield! parameterList; yield! tensors.Buffers |]

    /// Writes first values, a pure function of the seed and each tensor's path.
    member _.Initialise(seed: uint64) =
        for node in plan.Owners do
            for weight, tensor in Seq.zip node.Layer.Weights (nodeTensors.Weights node) do
                let key =
                    RandomKey.Of(seed, RandomPurpose.InitialWeights, $"{node.Path}/{weight.Name}")

                Initial.fill tensor (Initialiser.value weight.Initialiser weight.Fans key)

            for buffer, tensor in List.zip node.Layer.Buffers (nodeTensors.Current node) do
                tensor.fill_ (Scalars.Of buffer.Initial) |> ignore

    member private module'.Pass(inputs: IReadOnlyList<Tensor>, values: Tensor[], outputs: Tensor[], isAlone) =
        if inputs.Count <> plan.Inputs.Length then
            invalidArg (nameof inputs) $"'{plan.Name}' has {plan.Inputs.Length} inputs, and was given {inputs.Count}."

        let marks = module'.Marks

        for place, name, step in steps do
            use _ = Trace.Span(name, TraceCategory.Layer)
            module'.Step.At name

            values[place] <-
                match step with
                | ModuleStep.Lanes(network, first, last) ->
                    network.Run(sourceOf inputs values first.Inputs.Head, module'.Step)
                    |> reshaped last.Layer.Output
                | ModuleStep.Node step ->
                    let call = if isAlone then step.KeptCall module'.Step else step.NewCall module'.Step

                    fillIn inputs values step.Node call.Inputs
                    step.Forward call

            if not hasPlannedShapes then
                checkShape plan.Nodes[place] values[place]

            if marks.Places.Contains place && values[place].requires_grad then
                values[place] <- GradientMark.Of(values[place], marks, place, module'.Step)

        hasPlannedShapes <- true

        for i in 0 .. outputs.Length - 1 do
            let value = sourceOf inputs values outputSources[i]

            outputs[i] <- if reduced.HasValue then ReducedPrecision.full value else value

    /// The outputs for these inputs, both in the plan's order.
    member module'.Run(inputs: IReadOnlyList<Tensor>) : IReadOnlyList<Tensor> =
        let outputs = Array.zeroCreate plan.Outputs.Length
        module'.Pass(inputs, Array.zeroCreate plan.Nodes.Length, outputs, false)
        outputs

    /// The same into an array, by one thread at a time: a training step makes no arrays.
    member module'.RunInto(inputs: IReadOnlyList<Tensor>, outputs: Tensor[]) =
        module'.Pass(inputs, passed, outputs, true)

    /// The first output of a network with one input.
    override module'.forward(input: Tensor) = module'.Run([| input |])[0]

    /// A module with tensors of its own, outside any arena, freshly initialised.
    static member Create(plan: NetworkPlan, seed: uint64, dtype: torch.ScalarType, device: torch.Device) =
        let allocate (tensors: IReadOnlyList<NamedTensor>) : IReadOnlyList<Tensor> =
            [| for tensor in tensors ->
                   torch
                       .zeros(Array.ofSeq tensor.Shape, dtype = Nullable dtype, device = device)
                       .DetachFromDisposeScope() |]

        // No step is ever given up here, so statistics may change in place.
        let buffers = allocate plan.Buffers

        let tensors =
            { Weights = allocate plan.Weights
              Gradients = allocate plan.Weights
              Buffers = buffers
              NextBuffers = buffers }

        let owned =
            [ yield! tensors.Weights; yield! tensors.Gradients; yield! tensors.Buffers ]

        let network =
            new NetworkModule(plan, tensors, LayerKernels.Library, Nullable(), owned)

        network.Initialise seed
        network

    override _.Dispose(disposing: bool) =
        base.Dispose disposing

        if disposing then
            for _, _, step in steps do
                match step with
                | ModuleStep.Lanes(network, _, _) -> network.Dispose()
                | ModuleStep.Node step -> (step :> IDisposable).Dispose()

            scratch.Dispose()

            for tensor in owned do
                tensor.Dispose()
