namespace CnnCluster.Dsl

open System
open System.Collections.Generic
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives

/// The tensors a network computes with, in the plan's order: views into arenas, or tensors of their own.
type NetworkTensors =
    { Weights: IReadOnlyList<Tensor>
      Gradients: IReadOnlyList<Tensor>
      Buffers: IReadOnlyList<Tensor>
      NextBuffers: IReadOnlyList<Tensor> }

module private Initial =
    let fill (tensor: Tensor) (values: uint64 -> float) =
        let data = Array.init (int (tensor.numel ())) (fun i -> values (uint64 i))
        use _ = torch.no_grad ()
        use flat = torch.tensor (data, dtype = torch.float64)
        use shaped = flat.reshape tensor.shape
        tensor.copy_ shaped |> ignore

/// A checked network as a TorchSharp module. Its inputs are (N, C, sides…), its outputs have N first too.
/// Weights are registered by their paths, such as `conv1/kernel`. Intermediate tensors belong to the caller's scope.
type NetworkModule private (plan: NetworkPlan, tensors: NetworkTensors, owned: Tensor list) as this =
    inherit torch.nn.Module<Tensor, Tensor>(plan.Name)

    let trained =
        [| for view, gradient in Seq.zip tensors.Weights tensors.Gradients do
               // A parameter takes its tensor's handle over: it gets one of its own on the same memory.
               let parameter = new Modules.Parameter(view.detach().DetachFromDisposeScope(), true)
               parameter.grad <- gradient
               parameter |]

    let parameterList: IReadOnlyList<Tensor> = [| for p in trained -> p :> Tensor |]

    let byName (names: NamedTensor seq) (views: IReadOnlyList<Tensor>) =
        dict (Seq.zip (names |> Seq.map _.Name) views)

    let weights = byName plan.Weights parameterList
    let current = byName plan.Buffers tensors.Buffers
    let next = byName plan.Buffers tensors.NextBuffers

    let weightsOf (node: PlanNode) =
        [ for weight in node.Layer.Weights ->
              (if weight.Trainable then weights else current)[$"{node.Owner}/{weight.Name}"] ]

    let buffersOf (node: PlanNode) (all: IDictionary<string, Tensor>) =
        [ for buffer in node.Layer.Buffers -> all[$"{node.Owner}/{buffer.Name}"] ]

    // Each node with the tensors that it computes with.
    let steps =
        [| for node in plan.Nodes -> node, weightsOf node, buffersOf node current, buffersOf node next |]

    do
        for weight, parameter in Seq.zip plan.Weights trained do
            this.register_parameter (weight.Name, parameter)

    /// On tensors that whoever made them disposes.
    new(plan, tensors) = new NetworkModule(plan, tensors, [])

    /// What layers may know of the step; set before every forward pass.
    member val Step = new StepContext(0UL, new SoloCollective()) with get, set

    member _.Plan = plan

    /// The weights and then the buffers that it computes with, in the plan's order: what changes them changes it.
    member _.Tensors: IReadOnlyList<Tensor> =
        [| yield! parameterList; yield! tensors.Buffers |]

    /// Writes first values, a pure function of the seed and each tensor's path.
    member _.Initialise(seed: uint64) =
        for node in plan.Owners do
            for weight, tensor in List.zip node.Layer.Weights (weightsOf node) do
                let key =
                    RandomKey.Of(seed, RandomPurpose.InitialWeights, $"{node.Path}/{weight.Name}")

                Initial.fill tensor (Initialiser.value weight.Initialiser weight.Fans key)

            for buffer, tensor in List.zip node.Layer.Buffers (buffersOf node current) do
                tensor.fill_ (Scalar.op_Implicit buffer.Initial) |> ignore

    /// The outputs for these inputs, both in the plan's order.
    member module'.Run(inputs: IReadOnlyList<Tensor>) : IReadOnlyList<Tensor> =
        if inputs.Count <> plan.Inputs.Length then
            invalidArg (nameof inputs) $"'{plan.Name}' has {plan.Inputs.Length} inputs, and was given {inputs.Count}."

        let values = Array.zeroCreate<Tensor> steps.Length

        let take =
            function
            | FromInput i -> inputs[i]
            | FromNode i -> values[i]

        for i, (node, own, kept, written) in Array.indexed steps do
            let output =
                node.Layer.Forward
                    { Inputs = node.Inputs |> List.map take
                      Weights = own
                      Current = kept
                      Next = written
                      Step = module'.Step
                      Path = node.Path }

            values[i] <-
                match node.Activation with
                | Some activation -> activation.Apply output
                | None -> output

        [| for output in plan.Outputs -> take output.Source |]

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

        let network = new NetworkModule(plan, tensors, owned)
        network.Initialise seed
        network

    override _.Dispose(disposing: bool) =
        base.Dispose disposing

        if disposing then
            for tensor in owned do
                tensor.Dispose()
