/// Batch normalisations at random, as the kernels compute them and by the formula.
module CnnCluster.Tests.Kernels.Layers.BatchNormCases

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Kernels.Layers
open CnnCluster.Tests.Kernels.Collectives

type NormCase =
    { Shape: int64[]
      ChannelsLast: bool
      Scale: bool
      Shift: bool
      Rectified: bool
      OfBatch: bool
      Mean: float
      Seed: int64 }

let private genCase =
    gen {
        let! samples = Gen.choose (2, 5)
        let! channels = Gen.frequency [ 3, Gen.choose (1, 20); 1, Gen.choose (21, 70) ]
        let! rank = Gen.choose (0, 3)
        let! sides = Gen.listOfLength rank (Gen.choose (1, 7))
        let! isLast = Gen.elements [ true; false ]
        let! scale = Gen.elements [ true; false ]
        let! shift = Gen.elements [ true; false ]
        let! rectified = Gen.elements [ true; false ]
        let! ofBatch = Gen.elements [ true; true; false ]
        let! mean = Gen.elements [ 0.0; 3.0; -1000.0 ]
        let! seed = Gen.choose (1, 100000)

        return
            { Shape = [| yield int64 samples; yield int64 channels; for side in sides -> int64 side |]
              ChannelsLast = isLast && rank = 2
              Scale = scale
              Shift = shift
              Rectified = rectified
              OfBatch = ofBatch
              Mean = mean
              Seed = int64 seed }
    }

type Cases =
    static member Case() = Arb.fromGen genCase

let config =
    { FsCheckConfig.defaultConfig with
        arbitrary = [ typeof<Cases> ]
        maxTest = 200 }

let private epsilon = 1e-3
let momentum = 0.9

/// Random numbers of the case's seed, whatever other tests draw.
let drawn (seed: int64) purpose (shape: int64[]) =
    let key = RandomKey(uint64 seed * 16UL + uint64 purpose)
    let count = int (Array.fold (*) 1L shape)

    let values =
        Array.init count (fun i -> float32 (CounterRandom.Normal(key, 0UL, uint64 i)))

    torch.tensor(values, dtype = torch.float32).reshape shape

let private lastOf (case: NormCase) (x: torch.Tensor) =
    if case.ChannelsLast then ChannelOrder.ChannelsLast x else x

let input (case: NormCase) =
    (drawn case.Seed 0 case.Shape).Plus case.Mean |> lastOf case

let outputGradient case = drawn case.Seed 1 case.Shape

let channels case = [| case.Shape[1] |]

let weights case =
    (if case.Scale then Some(drawn case.Seed 2 (channels case)) else None),
    (if case.Shift then Some(drawn case.Seed 3 (channels case)) else None)

type Running =
    { Mean: torch.Tensor
      Variance: torch.Tensor }

let running case =
    { Mean = (drawn case.Seed 4 (channels case)).Plus case.Mean
      Variance = (drawn case.Seed 5 (channels case)).Squared().Plus 0.1 }

let callOf case (step: StepContext) (current: Running) (next: Running) =
    BatchNormCall(
        step,
        current.Mean,
        current.Variance,
        NextMean = (if case.OfBatch then next.Mean else null),
        NextVariance = (if case.OfBatch then next.Variance else null),
        Momentum = momentum,
        Epsilon = epsilon,
        Synchronised = true,
        Rectified = case.Rectified
    )

let copyOf (values: Running) =
    { Mean = values.Mean.clone ()
      Variance = values.Variance.clone () }

let solo case =
    StepContext(1UL, new SoloCollective(), Training = true, GlobalBatch = case.Shape[0])

/// The output and the gradients of input, scale and shift, null where there is none.
let computed case step (x: torch.Tensor) (gradient: torch.Tensor) next =
    let x = x.detach().requires_grad_ true
    let scale, shift = weights case

    let leaf =
        Option.map (fun (w: torch.Tensor) -> w.requires_grad_ true) >> Option.toObj

    let scale, shift = leaf scale, leaf shift
    let y = BatchNorm.Of(x, scale, shift, callOf case step (running case) next)
    y.backward [| gradient |]

    y, [ x.grad; (if isNull scale then null else scale.grad); (if isNull shift then null else shift.grad) ]

/// The same by the formula, in float64.
let formula case (x: torch.Tensor) (gradient: torch.Tensor) (mask: torch.Tensor) =
    let wide (tensor: torch.Tensor) =
        tensor.detach().``to``(torch.float64).clone()

    let x = (wide x).contiguous().requires_grad_ true

    let axes =
        [| for axis in 0L .. x.dim () - 1L do
               if axis <> 1L then axis |]

    let along (c: torch.Tensor) =
        c.reshape [| for axis in 0L .. x.dim () - 1L -> if axis = 1L then -1L else 1L |]

    let current = running case

    let mean, variance =
        if case.OfBatch then
            let mean = x.mean axes
            mean, (x - along mean).Squared().mean axes
        else
            wide current.Mean, wide current.Variance

    let scale, shift = weights case
    let leaf = Option.map (fun (w: torch.Tensor) -> (wide w).requires_grad_ true)
    let scale, shift = leaf scale, leaf shift
    let normal = (x - along mean) / (along variance).Plus(epsilon).sqrt()
    let scaled = scale |> Option.fold (fun y w -> y * along w) normal
    let y = shift |> Option.fold (fun (y: torch.Tensor) w -> y.Plus(along w)) scaled
    // Where rounding moves an element over the ReLU's edge, the kernel's side of it counts.
    let y = if case.Rectified then y * mask else y
    y.backward [| wide gradient |]
    let grad = Option.map (fun (w: torch.Tensor) -> w.grad) >> Option.toObj
    y, [ x.grad; grad scale; grad shift ], (mean.detach (), variance.detach ())
