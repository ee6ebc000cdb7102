/// Networks with tensors of their own, to be run in tests.
module CnnCluster.Tests.Dsl.Networks

open System
open System.Collections.Generic
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Dsl.Scripts

let planOf body = plan ("network N {\n" + body + "\n}")

/// A network in float64 and the tensors it was given.
let networkOf (plan: NetworkPlan) seed =
    let allocate (tensors: IReadOnlyList<NamedTensor>) : IReadOnlyList<torch.Tensor> =
        [| for tensor in tensors -> torch.zeros (Array.ofSeq tensor.Shape, dtype = Nullable torch.float64) |]

    let tensors =
        { Weights = allocate plan.Weights
          Gradients = allocate plan.Weights
          Buffers = allocate plan.Buffers
          NextBuffers = allocate plan.Buffers }

    let network = new NetworkModule(plan, tensors)
    network.Initialise seed

    // As a step begins.
    for current, next in Seq.zip tensors.Buffers tensors.NextBuffers do
        next.copy_ current |> ignore

    network, tensors

let step training samples =
    StepContext(7UL, new SoloCollective(), Training = training, GlobalBatch = max 1L samples)

/// Numbers that look random and never change, (N, C, sides…); no two are close to each other.
let samples (plan: NetworkPlan) (count: int) =
    let shape = plan.Inputs.Head.Shape

    let dims =
        Array.append [| int64 count; int64 shape.Channels |] [| for side in shape.Sides -> int64 side.Value |]

    let total = int (Array.fold (*) 1L dims)
    let order = CounterRandom.Permutation(RandomKey 5UL, 0UL, total)

    let values =
        [| for i in order -> (float i + 0.5) / float (max 1 total) * 4.0 - 2.0 |]

    torch.tensor(values, dtype = torch.float64).reshape dims

/// Writes element i of a tensor, in the order of the last axis first.
let fill (tensor: torch.Tensor) (formula: float -> float) =
    use _ = torch.no_grad ()
    let values = [| for i in 0L .. tensor.numel () - 1L -> formula (float i) |]

    tensor.copy_ (torch.tensor(values, dtype = torch.float64).reshape tensor.shape)
    |> ignore

/// Fixed weights of a sum over the output, so that every element has a gradient of its own.
let scores (output: torch.Tensor) =
    let count = int (output.numel ())
    torch.tensor([| for i in 0 .. count - 1 -> sin (float i + 1.0) |], dtype = torch.float64).reshape output.shape

/// The greatest difference, relative to the greatest value or to 1.
let distance (expected: float[]) (actual: float[]) =
    if expected.Length <> actual.Length then
        infinity
    else
        let scale = Array.fold (fun m v -> max m (abs v)) 1.0 expected

        (0.0, expected, actual)
        |||> Array.fold2 (fun m e a -> if Double.IsNaN a then infinity else max m (abs (e - a) / scale))
