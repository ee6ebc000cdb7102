/// Convolutions computed two by two results at once, against libtorch in float64, on registers of every width.
module CnnCluster.Tests.Kernels.Layers.Winograd.WinogradTests

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Layers.Lanes
open CnnCluster.Kernels.Layers.Winograd
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl.LayerCases
open CnnCluster.Tests.Kernels.Layers.Lanes.LaneCases

type private T = torch.Tensor

/// A convolution, and what it is given.
type private Case =
    { Samples: int
      Channels: int
      Filters: int
      Input: Axes
      Geometry: ConvolutionGeometry
      Bias: bool
      Relu: bool }

let private one = Axes(1, 1)

let private threeByThree before after =
    ConvolutionGeometry(Axes(3, 3), one, one, before, after)

/// Even sides behind any padding that there may be.
let private drawn seed =
    let generator = Random(seed: int)
    let below n = generator.Next n
    let sixteens most = 16 * (1 + below most)

    let side () =
        let before = below 3
        let after = [| 0; 2; 4 |][below 3] - before |> max 0
        let after = if (before + after) % 2 = 0 then after else after + 1
        let least = max 2 (4 - before - after)
        before, after, least + 2 * below 4

    let top, bottom, height = side ()
    let left, right, width = side ()

    { Samples = below 4
      Channels = sixteens 5
      Filters = sixteens 7
      Input = Axes(height, width)
      Geometry = threeByThree (Axes(top, left)) (Axes(bottom, right))
      Bias = below 2 = 0
      Relu = below 2 = 0 }

let private layerOf (width: RegisterWidth) case =
    let scratch = new WinogradScratch(Nullable width)

    match WinogradLayer.Of(case.Geometry, case.Channels, case.Filters, case.Input, scratch) with
    | null -> failtest $"{case} is not taken"
    | layer -> layer

/// Input, kernel and bias, in multiples of 1/8: everything is exact, so that ReLU decides as in float64.
let private operands case seed =
    let generator = Random(seed: int)

    random generator [| int64 case.Samples; int64 case.Channels; int64 case.Input.Height; int64 case.Input.Width |],
    random generator [| int64 case.Filters; int64 case.Channels; 3L; 3L |],
    if case.Bias then Some(random generator [| int64 case.Filters |]) else None

let private run (layer: WinogradLayer) case (x: T) (kernel: T) (bias: T option) step =
    layer.Run(x, kernel, Option.toObj bias, case.Relu, step)

/// A score of the output, a multiple of 1/8 for each number.
let private scores (y: T) =
    torch
        .tensor([| for i in 0L .. y.numel () - 1L -> single (i * 5L % 17L - 8L) / 8.0f |], dtype = torch.float32)
        .reshape
        y.shape

let private trained (t: T) = t.detach().requires_grad_ true

/// The output, and the gradients of input, kernel and bias.
let private computed width case seed =
    let x, kernel, bias = operands case seed
    let x, kernel, bias = trained x, trained kernel, Option.map trained bias
    let context = step ()
    let y = run (layerOf width case) case x kernel bias context
    (y * scores y).sum().backward()
    context.ThrowIfFailed()
    [ y; x.grad; kernel.grad ] @ [ for b in Option.toList bias -> b.grad ]

let private expected case seed =
    let doubled (t: T) = trained (t.``to`` torch.float64)
    let x, kernel, bias = operands case seed
    let x, kernel, bias = doubled x, doubled kernel, Option.map doubled bias
    let g = case.Geometry

    let padded =
        torch.nn.functional.pad (
            x,
            [| int64 g.Before.Width; int64 g.After.Width; int64 g.Before.Height; int64 g.After.Height |]
        )

    let sums = torch.nn.functional.conv2d (padded, kernel, Option.toObj bias)
    let y = if case.Relu then sums.relu () else sums
    (y * (scores y).``to`` torch.float64).sum().backward()
    [ y; x.grad; kernel.grad ] @ [ for b in Option.toList bias -> b.grad ]

let private apart (actual: T) (expected: T) =
    let difference = (actual.``to`` torch.float64 - expected).norm().item<float>()
    let size = expected.norm().item<float>()
    if size = 0.0 then difference else difference / size

let private agree width case seed =
    scope (fun () ->
        for what, actual, expected in
            List.zip3
                ([ "output"; "input's gradient"; "kernel's gradient"; "bias' gradient" ]
                 |> List.truncate (if case.Bias then 4 else 3))
                (computed width case seed)
                (expected case seed) do
            Expect.equal actual.shape expected.shape $"{case}: {what}"
            Expect.isLessThan (apart actual expected) 1e-6 $"{case}: {what}")

let private bits (y: T) =
    y.detach().contiguous().data<single>().ToArray()

let private usual =
    { Samples = 5
      Channels = 32
      Filters = 48
      Input = Axes(8, 6)
      Geometry = threeByThree one one
      Bias = true
      Relu = true }

[<Tests>]
let tests =
    testList
        "Kernels.Layers.Winograd"
        [ for width in widths do
              testPropertyWithConfig
                  { FsCheckConfig.defaultConfig with
                      maxTest = 25 }
                  $"convolutions of any sides, padding and channels agree with libtorch in float64 on {int width} bits"
                  (fun (seed: int) -> agree width (drawn seed) (seed ^^^ 91))

          test "several chunks of tiles agree too" { agree RegisterWidths.Widest { usual with Input = Axes(32, 32) } 3 }

          test "registers of every width give the same bits" {
              scope (fun () ->
                  let each = [ for width in widths -> computed width usual 6 |> List.map bits ]
                  Expect.allEqual each each.Head "outputs and gradients")
          }

          test "a prefix of a batch has the bits of the batch" {
              scope (fun () ->
                  let case =
                      { usual with
                          Samples = 33
                          Input = Axes(10, 10) }

                  let x, kernel, bias = operands case 4
                  let layer = layerOf RegisterWidths.Widest case
                  use _ = torch.no_grad ()
                  // Thirds round, so that another order of sums would show.
                  let x = x / Scalars.Of 3.0
                  let whole = bits (run layer case x kernel bias (step ()))

                  for count in [ 1L; 2L; 4L; 15L; 32L ] do
                      let part = bits (run layer case (x.narrow (0L, 0L, count)) kernel bias (step ()))
                      Expect.equal part whole[.. part.Length - 1] $"{count} samples")
          }

          test "planes and channels side by side are the same input" {
              scope (fun () ->
                  let x, kernel, bias = operands usual 8
                  let layer = layerOf RegisterWidths.Widest usual
                  use _ = torch.no_grad ()
                  let aside = x.permute(0L, 2L, 3L, 1L).contiguous().permute(0L, 3L, 1L, 2L)

                  Expect.equal
                      (bits (run layer usual aside kernel bias (step ())))
                      (bits (run layer usual x kernel bias (step ())))
                      "output")
          }

          test "what needs no gradient gets none" {
              scope (fun () ->
                  let x, kernel, bias = operands usual 9
                  let kernel = trained kernel
                  let context = step ()
                  (run (layerOf RegisterWidths.Widest usual) usual x kernel bias context).sum().backward()
                  context.ThrowIfFailed()
                  Expect.isTrue (isNull (box x.grad)) "input"
                  Expect.isFalse (isNull (box kernel.grad)) "kernel")
          }

          for why, geometry, channels, filters, input in
              [ "a kernel of 5×5", geometry (5, 5) (1, 1) (1, 1) (2, 2) (2, 2), 16, 16, Axes(8, 8)
                "a stride", geometry (3, 3) (2, 2) (1, 1) (1, 1) (1, 1), 16, 16, Axes(8, 8)
                "a dilation", geometry (3, 3) (1, 1) (2, 2) (2, 2) (2, 2), 16, 16, Axes(8, 8)
                "odd sides", threeByThree one one, 16, 16, Axes(7, 8)
                "odd sides of the output", threeByThree one (Axes(0, 0)), 16, 16, Axes(8, 8)
                "channels that fill no vector", threeByThree one one, 3, 16, Axes(8, 8)
                "filters that fill no vector", threeByThree one one, 16, 20, Axes(8, 8)
                "more padding than the kernel has", threeByThree (Axes(3, 3)) one, 16, 16, Axes(8, 8) ] do
              test $"{why} is left to libtorch" {
                  use scratch = new WinogradScratch()
                  let layer = WinogradLayer.Of(geometry, channels, filters, input, scratch)
                  Expect.isTrue (isNull (box layer)) why
              } ]
