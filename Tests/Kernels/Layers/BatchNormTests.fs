module CnnCluster.Tests.Kernels.Layers.BatchNormTests

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Kernels.Layers
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Kernels.Collectives
open CnnCluster.Tests.Kernels.Layers.BatchNormCases

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
