module CnnCluster.Tests.Kernels.Layers.BatchNormTests

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

let private config =
    { FsCheckConfig.defaultConfig with
        arbitrary = [ typeof<Cases> ]
        maxTest = 200 }

let private epsilon = 1e-3
let private momentum = 0.9

/// Random numbers of the case's seed, whatever other tests draw.
let private drawn (seed: int64) purpose (shape: int64[]) =
    let key = RandomKey(uint64 seed * 16UL + uint64 purpose)
    let count = int (Array.fold (*) 1L shape)

    let values =
        Array.init count (fun i -> float32 (CounterRandom.Normal(key, 0UL, uint64 i)))

    torch.tensor(values, dtype = torch.float32).reshape shape

let private lastOf (case: NormCase) (x: torch.Tensor) =
    if case.ChannelsLast then ChannelOrder.ChannelsLast x else x

let private input (case: NormCase) =
    (drawn case.Seed 0 case.Shape).Plus case.Mean |> lastOf case

let private outputGradient case = drawn case.Seed 1 case.Shape

let private channels case = [| case.Shape[1] |]

let private weights case =
    (if case.Scale then Some(drawn case.Seed 2 (channels case)) else None),
    (if case.Shift then Some(drawn case.Seed 3 (channels case)) else None)

type private Running =
    { Mean: torch.Tensor
      Variance: torch.Tensor }

let private running case =
    { Mean = (drawn case.Seed 4 (channels case)).Plus case.Mean
      Variance = (drawn case.Seed 5 (channels case)).Squared().Plus 0.1 }

let private callOf case (step: StepContext) (current: Running) (next: Running) =
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

let private copyOf (values: Running) =
    { Mean = values.Mean.clone ()
      Variance = values.Variance.clone () }

let private solo case =
    StepContext(1UL, new SoloCollective(), Training = true, GlobalBatch = case.Shape[0])

/// The output and the gradients of input, scale and shift, null where there is none.
let private computed case step (x: torch.Tensor) (gradient: torch.Tensor) next =
    let x = x.detach().requires_grad_ true
    let scale, shift = weights case

    let leaf =
        Option.map (fun (w: torch.Tensor) -> w.requires_grad_ true) >> Option.toObj

    let scale, shift = leaf scale, leaf shift
    let y = BatchNorm.Of(x, scale, shift, callOf case step (running case) next)
    y.backward [| gradient |]

    y, [ x.grad; (if isNull scale then null else scale.grad); (if isNull shift then null else shift.grad) ]

/// The same by the formula, in float64.
let private formula case (x: torch.Tensor) (gradient: torch.Tensor) (mask: torch.Tensor) =
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

/// ‖a − b‖, relative to ‖a‖ or, where that is next to nothing, to the numbers that it was made of.
let private distance (expected: torch.Tensor) (actual: torch.Tensor) =
    let norm (tensor: torch.Tensor) = tensor.norm().item<float>()
    let size = sqrt (float (expected.numel ()))
    norm (expected - actual.``to`` torch.float64) / max (norm expected) size

let private bits (tensor: torch.Tensor) =
    tensor.detach().contiguous().data<float32>().ToArray()
    |> Array.map BitConverter.SingleToInt32Bits

let private tests =
    [ testPropertyWithConfig
          config
          "output, gradients and running statistics are those of the formula in doubles"
          (fun case ->
              use _ = torch.NewDisposeScope()
              let x, gradient = input case, outputGradient case
              let before = running case
              let next = copyOf before
              let y, gradients = computed case (solo case) x gradient next
              let mask = y.detach().gt(Scalars.Of 0.0).``to`` torch.float64
              let expected, slopes, (mean, variance) = formula case x gradient mask
              // A float32 near 1,000 is 6e-5 apart from the next, before anything is computed.
              Expect.isLessThan (distance (expected.detach ()) (y.detach ())) 1e-6 "output"

              for expected, actual in List.zip slopes gradients do
                  if isNull expected then
                      Expect.isNull actual "no weight, no gradient"
                  else
                      Expect.isLessThan (distance expected actual) 1e-6 "gradient"

              if case.OfBatch then
                  let moved (old: torch.Tensor) (fresh: torch.Tensor) =
                      (old.``to`` torch.float64 * Scalars.Of momentum).Plus(fresh * Scalars.Of(1.0 - momentum))

                  Expect.isLessThan (distance (moved before.Mean mean) next.Mean) 1e-4 "running mean"
                  Expect.isLessThan (distance (moved before.Variance variance) next.Variance) 1e-6 "running variance")

      testPropertyWithConfig config "with the ReLU it computes what the two compute one after the other" (fun case ->
          use _ = torch.NewDisposeScope()
          let case = { case with Rectified = false }
          let x, gradient = input case, outputGradient case
          let plain, _ = computed case (solo case) x gradient (copyOf (running case))
          let mask = plain.detach().gt(Scalars.Of 0.0).``to`` torch.float32

          let _, expected =
              computed case (solo case) x (gradient * mask) (copyOf (running case))

          let both, gradients =
              computed { case with Rectified = true } (solo case) x gradient (copyOf (running case))

          Expect.equal (bits both) (bits (plain.relu ())) "output"

          for expected, actual in List.zip expected gradients do
              if not (isNull expected) then
                  Expect.equal (bits (actual.Plus 0.0)) (bits (expected.Plus 0.0)) "gradient")

      testPropertyWithConfig config "several workers compute what one computes, an empty slice among them" (fun case ->
          use _ = torch.NewDisposeScope()
          let x, gradient = input case, outputGradient case
          let alone, slopes = computed case (solo case) x gradient (copyOf (running case))
          let slices = [ 0L, 1L; 1L, 0L; 1L, case.Shape[0] - 1L ]

          let ranks =
              Ranks.disposing (Ranks.inProcess 3 Ranks.bound) (fun collectives ->
                  Ranks.onThreads (Array.zip collectives (Array.ofList slices)) (fun (collective, (first, count)) ->
                      let step =
                          StepContext(1UL, collective, Training = true, GlobalBatch = case.Shape[0])

                      let part (tensor: torch.Tensor) = tensor.narrow (0L, first, count)
                      computed case step (part x) (part gradient) (copyOf (running case)))
                  |> Ranks.all)

          let joined = torch.cat ([| for y, _ in ranks -> y.detach().contiguous() |], 0L)
          let wide (tensor: torch.Tensor) = tensor.detach().``to`` torch.float64
          Expect.isLessThan (distance (wide alone) joined) 1e-6 "output"

          let inputs =
              torch.cat ([| for _, gradients in ranks -> gradients[0].contiguous() |], 0L)

          Expect.isLessThan (distance (wide slopes[0]) inputs) 1e-6 "input's gradient"

          for weight in 1..2 do
              if not (isNull slopes[weight]) then
                  let sum =
                      ranks
                      |> Array.map (fun (_, gradients) -> gradients[weight])
                      |> Array.reduce (fun a b -> a.Plus b)

                  Expect.isLessThan (distance (wide slopes[weight]) sum) 1e-6 "weight's gradient")

      test "a NaN makes its channel NaN, also behind the ReLU, and leaves the others alone" {
          use _ = torch.NewDisposeScope()

          let case =
              { Shape = [| 2L; 3L; 4L; 4L |]
                ChannelsLast = false
                Scale = true
                Shift = true
                Rectified = true
                OfBatch = true
                Mean = 0.0
                Seed = 3L }

          let x = input case
          x[1, 1, 2, 2] <- torch.tensor nanf
          let y, _ = computed case (solo case) x (outputGradient case) (copyOf (running case))

          let hasNaN channel =
              (y.detach().select(1L, channel).isnan()).any().item<bool>()

          let isNaN channel =
              (y.detach().select(1L, channel).isnan()).all().item<bool>()

          Expect.isTrue (isNaN 1L) "the channel"
          Expect.isFalse (hasNaN 0L || hasNaN 2L) "the others"
      }

      test "a peer that is gone in the backward pass is reported by the step" {
          use _ = torch.NewDisposeScope()
          use collective = new SoloCollective()
          let step = StepContext(1UL, collective, Training = true, GlobalBatch = 4L)
          let x = torch.randn(4, 3).requires_grad_ true

          let next =
              { Mean = torch.zeros 3
                Variance = torch.ones 3 }

          let call =
              BatchNormCall(
                  step,
                  torch.zeros 3,
                  torch.ones 3,
                  NextMean = next.Mean,
                  NextVariance = next.Variance,
                  Synchronised = true
              )

          let y = BatchNorm.Of(x, null, null, call)
          collective.Abort "gone"
          y.sum().backward()
          Expect.throwsT<CollectiveException> step.ThrowIfFailed "kept for the training thread"
      }

      test "what goes wrong in the backward pass is reported by the step" {
          use _ = torch.NewDisposeScope()
          let step = StepContext(1UL, new SoloCollective())
          let x = torch.randn(4, 3).requires_grad_ true

          let scale, shift =
              torch.ones(3).requires_grad_ true, torch.zeros(3).requires_grad_ true

          let y =
              BatchNorm.Of(x, scale, shift, BatchNormCall(step, torch.zeros 3, torch.ones 3))
          // Autograd hands a sparse gradient on, and a kernel finds no memory in it.
          y.backward [| torch.ones(4, 3).to_sparse() |]
          Expect.throws step.ThrowIfFailed "kept for the training thread"

          for tensor, elements in [ x, 12; scale, 3; shift, 3 ] do
              Expect.equal (bits tensor.grad) (Array.zeroCreate elements) "the pass went on"
      } ]

[<Tests>]
let all = testList "Kernels.Layers.BatchNorm" tests
