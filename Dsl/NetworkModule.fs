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

/// A checked network as a TorchSharp module. Its input is (N, C, sides…), its output the last layer's, N first.
/// Weights are registered by their paths, such as `conv1/kernel`. Intermediate tensors belong to the caller's scope.
type NetworkModule(plan: NetworkPlan, tensors: NetworkTensors) as this =
    inherit torch.nn.Module<Tensor, Tensor>(plan.Name)

    let trained =
        [| for view, gradient in Seq.zip tensors.Weights tensors.Gradients do
               // A parameter takes its tensor's handle over: it gets one of its own on the same memory.
               let parameter = new Modules.Parameter(view.detach().DetachFromDisposeScope(), true)
               parameter.grad <- gradient
               parameter |]

    // Each layer's first weight and first buffer among all of them.
    let offsets (count: PlanNode -> int) =
        plan.Nodes |> List.scan (fun total node -> total + count node) 0 |> Array.ofList

    let weightOffsets = offsets (fun node -> node.Layer.Weights.Length)
    let bufferOffsets = offsets (fun node -> node.Layer.Buffers.Length)

    let slice (all: IReadOnlyList<Tensor>) (offsets: int[]) index =
        [ for i in offsets[index] .. offsets[index + 1] - 1 -> all[i] ]

    let parameterList: IReadOnlyList<Tensor> = [| for p in trained -> p :> Tensor |]

    do
        for weight, parameter in Seq.zip plan.Weights trained do
            this.register_parameter (weight.Name, parameter)

    /// What layers may know of the step; set before every forward pass.
    member val Step = new StepContext(0UL, new SoloCollective()) with get, set

    member _.Plan = plan

    /// Writes first values, a pure function of the seed and each tensor's path.
    member _.Initialise(seed: uint64) =
        for i, node in List.indexed plan.Nodes do
            for weight, tensor in List.zip node.Layer.Weights (slice tensors.Weights weightOffsets i) do
                let key =
                    RandomKey.Of(seed, RandomPurpose.InitialWeights, $"{node.Path}/{weight.Name}")

                Initial.fill tensor (Initialiser.value weight.Initialiser weight.Fans key)

            for buffer, tensor in List.zip node.Layer.Buffers (slice tensors.Buffers bufferOffsets i) do
                tensor.fill_ (Scalar.op_Implicit buffer.Initial) |> ignore

    override module'.forward(input: Tensor) =
        let values = Array.zeroCreate<Tensor> plan.Nodes.Length

        let take =
            function
            | FromInput _ -> input
            | FromNode i -> values[i]

        for i, node in List.indexed plan.Nodes do
            let output =
                node.Layer.Forward
                    { Inputs = node.Inputs |> List.map take
                      Weights = slice parameterList weightOffsets i
                      Current = slice tensors.Buffers bufferOffsets i
                      Next = slice tensors.NextBuffers bufferOffsets i
                      Step = module'.Step
                      Path = node.Path }

            values[i] <-
                match node.Activation with
                | Some activation -> activation.Apply output
                | None -> output

        take plan.Output

    /// A module with tensors of its own, outside any arena, freshly initialised.
    static member Create(plan: NetworkPlan, seed: uint64, dtype: torch.ScalarType, device: torch.Device) =
        let allocate (tensors: IReadOnlyList<NamedTensor>) : IReadOnlyList<Tensor> =
            [| for tensor in tensors ->
                   torch
                       .zeros(Array.ofSeq tensor.Shape, dtype = Nullable dtype, device = device)
                       .DetachFromDisposeScope() |]

        // No step is ever given up here, so statistics may change in place.
        let buffers = allocate plan.Buffers

        let network =
            new NetworkModule(
                plan,
                { Weights = allocate plan.Weights
                  Gradients = allocate plan.Weights
                  Buffers = buffers
                  NextBuffers = buffers }
            )

        network.Initialise seed
        network
