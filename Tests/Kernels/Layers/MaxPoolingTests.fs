module CnnCluster.Tests.Kernels.Layers.MaxPoolingTests

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Kernels.Layers

let private step = StepContext(1UL, new SoloCollective())

/// Windows over planes, and the planes' elements: few different ones, so that many are the greatest.
type PoolCase =
    { Window: PoolWindow
      Samples: int
      Channels: int
      Elements: float32[] }

let private axis =
    gen {
        let! kernel = Gen.choose (1, 4)
        let! input = Gen.frequency [ 3, Gen.choose (1, 12); 1, Gen.choose (13, 70) ]
        let! stride = Gen.choose (1, 4)
        let! before = Gen.choose (0, kernel - 1)
        // Every window sees an element: the last ends at most so far behind the input.
        let! beyond = Gen.choose (0, kernel - 1)
        let output = max 1 ((input + before + beyond - kernel) / stride + 1)
        let output = min output ((input - 1 + before) / stride + 1)
        return PoolAxis(input, output, kernel, stride, before)
    }

let private halving =
    gen {
        let! input = Gen.choose (2, 70)
        return PoolAxis(input, input / 2, 2, 2, 0)
    }

let private element =
    Gen.frequency
        [ 30, Gen.choose (-2, 2) |> Gen.map float32
          1, Gen.elements [ Single.NaN; Single.NegativeInfinity; Single.PositiveInfinity ]
          3, Gen.constant Single.NegativeInfinity ]

let private genCase =
    gen {
        let! images = Gen.zip axis axis
        let! halved = Gen.zip halving halving

        let! deep =
            axis |> Gen.map (fun axis -> if axis.Input > 12 then PoolAxis.Single else axis)

        let! window =
            Gen.elements
                [ PoolWindow(PoolAxis.Single, fst images, snd images)
                  PoolWindow(deep, fst images, snd images)
                  PoolWindow(PoolAxis.Single, fst halved, snd halved) ]

        let! samples = Gen.choose (0, 2)
        let! channels = Gen.choose (1, 3)
        let! elements = Gen.arrayOfLength (samples * channels * window.InputElements) element

        return
            { Window = window
              Samples = samples
              Channels = channels
              Elements = elements }
    }

type Cases =
    static member Case() = Arb.fromGen genCase

let private config =
    { FsCheckConfig.defaultConfig with
        arbitrary = [ typeof<Cases> ]
        maxTest = 300 }

let private shapeOf (case: PoolCase) =
    let window = case.Window

    [| int64 case.Samples
       int64 case.Channels
       int64 window.Depth.Input
       int64 window.Height.Input
       int64 window.Width.Input |]

/// The elements that a window sees along an axis.
let private seen (axis: PoolAxis) window =
    [ for k in 0 .. axis.Kernel - 1 do
          let place = window * axis.Stride - axis.Before + k
          if place >= 0 && place < axis.Input then place ]

/// For each window the place of its greatest element in the input: the first, but the last NaN.
let private winners (case: PoolCase) =
    let window = case.Window

    [| for plane in 0 .. case.Samples * case.Channels - 1 do
           for depth in 0 .. window.Depth.Output - 1 do
               for row in 0 .. window.Height.Output - 1 do
                   for column in 0 .. window.Width.Output - 1 ->
                       [ for d in seen window.Depth depth do
                             for h in seen window.Height row do
                                 for w in seen window.Width column ->
                                     ((plane * window.Depth.Input + d) * window.Height.Input + h)
                                     * window.Width.Input
                                     + w ]
                       |> List.reduce (fun best place ->
                           let value = case.Elements[place]
                           if value > case.Elements[best] || Single.IsNaN value then place else best) |]

let private tensorOf (case: PoolCase) =
    torch.tensor(case.Elements, dtype = torch.float32).reshape(shapeOf case)

let private bits (tensor: torch.Tensor) =
    if tensor.numel () = 0L then
        [||]
    else
        tensor.detach().contiguous().data<float32>().ToArray()
        |> Array.map BitConverter.SingleToInt32Bits

/// The output, and the gradient of the input where element i of the output has the gradient i + 1.
let private pooled (x: torch.Tensor) (pool: torch.Tensor -> torch.Tensor) =
    let x = x.detach().requires_grad_ true
    let y = pool x

    let gradient =
        torch.linspace(1.0, float (y.numel ()), y.numel (), dtype = x.dtype).reshape y.shape

    y.backward [| gradient |]
    bits y, bits x.grad

let private tests =
    [ testPropertyWithConfig config "the greatest element of each window, and the gradient goes to it" (fun case ->
          use _ = torch.NewDisposeScope()
          let window = case.Window
          let expected = winners case
          let gradient = Array.zeroCreate<float32> case.Elements.Length

          for i, place in Array.indexed expected do
              gradient[place] <- gradient[place] + float32 (i + 1)

          let y, given =
              pooled (tensorOf case) (fun x -> MaxPool.Of(x, PoolCall window, step))

          let value place =
              BitConverter.SingleToInt32Bits case.Elements[place]

          Expect.equal y (Array.map value expected) "output"
          Expect.equal given (Array.map BitConverter.SingleToInt32Bits gradient) "gradient")

      testPropertyWithConfig config "images whose channels lie side by side give the same" (fun case ->
          use _ = torch.NewDisposeScope()
          // Three sides have no such order: of them the images of one depth.
          let window = PoolWindow(PoolAxis.Single, case.Window.Height, case.Window.Width)
          let x = (tensorOf case).select(2L, 0L)
          let pool (x: torch.Tensor) = MaxPool.Of(x, PoolCall window, step)

          Expect.equal
              (pooled (ChannelOrder.ChannelsLast x) pool)
              (pooled (x.contiguous ()) pool)
              "output and gradient")

      testPropertyWithConfig config "without a gradient it computes the same" (fun case ->
          use _ = torch.NewDisposeScope()
          let window = case.Window
          use x = tensorOf case
          let kept, _ = pooled x (fun x -> MaxPool.Of(x, PoolCall window, step))
          use _ = torch.no_grad ()
          Expect.equal (bits (MaxPool.Of(x, PoolCall window, step))) kept "output")

      for kernel, stride, padding, side in
          [ 2, 2, 0, 28; 3, 2, 1, 16; 3, 1, 1, 33; 2, 2, 1, 9; 3, 3, 0, 20; 5, 2, 2, 40 ] do
          test
              $"libtorch chooses the same elements of {side}×{side} in windows of {kernel}, stride {stride}, padding {padding}" {
              use _ = torch.NewDisposeScope()
              // Values and NaNs at random, and a ReLU's many zeros.
              let x = torch.randn(3, 5, side, side).relu()
              x[0, 0, 3, 4] <- torch.tensor (nanf)
              x[1, 2, 2, 2] <- torch.tensor (infinityf)
              let output = (side + 2 * padding - kernel) / stride + 1
              let axis = PoolAxis(side, output, kernel, stride, padding)
              let window = PoolWindow(PoolAxis.Single, axis, axis)
              let sizes (n: int) = [| int64 n; int64 n |]

              let libtorch (x: torch.Tensor) =
                  torch.nn.functional.max_pool2d (x, sizes kernel, sizes stride, sizes padding)

              Expect.equal
                  (pooled x (fun x -> MaxPool.Of(x, PoolCall window, step)))
                  (pooled x libtorch)
                  "output and gradient"
          }

      test "takes float32 in windows of at most 255 elements" {
          use _ = torch.NewDisposeScope()

          let window (side: int) =
              PoolWindow(PoolAxis.Single, PoolAxis(20, 1, side, 1, 0), PoolAxis(20, 1, side, 1, 0))

          let takes (dtype: torch.ScalarType) side =
              use x = torch.zeros (1, 1, 20, 20, dtype = dtype)
              let window = window side
              MaxPool.Takes(x, &window)

          Expect.isTrue (takes torch.float32 15) "225 elements"
          Expect.isFalse (takes torch.float32 16) "256 elements"
          Expect.isFalse (takes torch.float64 2) "float64"
      }

      test "an input whose elements do not lie in order gives the same" {
          use _ = torch.NewDisposeScope()
          let x = torch.randn (2, 8, 8, 3)
          let axis = PoolAxis(8, 4, 2, 2, 0)
          let window = PoolWindow(PoolAxis.Single, axis, axis)
          let turned = x.permute (0, 3, 1, 2)
          let pool (x: torch.Tensor) = MaxPool.Of(x, PoolCall window, step)
          Expect.equal (pooled turned pool) (pooled (turned.contiguous ()) pool) "output and gradient"
      }

      test "what goes wrong in the backward pass is reported by the step" {
          use _ = torch.NewDisposeScope()
          let step = StepContext(1UL, new SoloCollective())
          let x = torch.ones(1, 1, 4, 4).requires_grad_ true
          let axis = PoolAxis(4, 2, 2, 2, 0)
          let window = PoolWindow(PoolAxis.Single, axis, axis)
          let y = MaxPool.Of(x, PoolCall window, step)
          // Autograd hands a sparse gradient on, and a kernel finds no memory in it.
          y.backward [| torch.ones(1, 1, 2, 2).to_sparse() |]
          Expect.throws step.ThrowIfFailed "kept for the training thread"
          Expect.equal (bits x.grad) (Array.zeroCreate 16) "the pass went on"
      } ]

[<Tests>]
let all = testList "Kernels.Layers.MaxPooling" tests
