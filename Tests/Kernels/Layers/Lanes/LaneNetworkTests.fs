/// The kernels that compute 16 samples at a time against libtorch in float64, on registers of every width.
module CnnCluster.Tests.Kernels.Layers.Lanes.LaneNetworkTests

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Kernels.Layers.Lanes
open CnnCluster.Tests.Dsl.LayerCases

type private T = torch.Tensor

let private widths =
    [ RegisterWidth.Bits128; RegisterWidth.Bits256; RegisterWidth.Bits512 ]

/// A layer as both sides need it.
type private Layer =
    | Conv of filters: int * ConvolutionGeometry * ConvolutionEnding * bias: bool
    | Dense of units: int * relu: bool * bias: bool

let private rectifies ending =
    ending = ConvolutionEnding.Relu || ending = ConvolutionEnding.ReluMaxPool

let private pools ending =
    ending = ConvolutionEnding.MaxPool || ending = ConvolutionEnding.ReluMaxPool

/// Multiples of 1/8: sums of products are exact in float32 too, so that ReLU and pooling decide as in float64, and there
/// are ties to decide.
let private random (generator: Random) (shape: int64[]) =
    let count = int (Array.fold (*) 1L shape)

    torch.tensor([| for _ in 1..count -> single (generator.Next(-8, 9)) / 8.0f |], dtype = torch.float32).reshape shape

/// Weights and zero gradients for each layer.
let private weights generator (shape: LaneShape) layers =
    let mutable features = shape.Channels, shape.Height, shape.Width

    [ for layer in layers do
          let c, h, w = features

          match layer with
          | Conv(filters, geometry, ending, bias) ->
              let sums = geometry.OutputOf(Axes(h, w))
              let by = if pools ending then 2 else 1
              features <- filters, sums.Height / by, sums.Width / by
              let k = geometry.Kernel

              random generator [| int64 filters; int64 c; int64 k.Height; int64 k.Width |],
              if bias then Some(random generator [| int64 filters |]) else None
          | Dense(units, _, bias) ->
              features <- units, 1, 1

              random generator [| int64 units; int64 (c * h * w) |],
              if bias then Some(random generator [| int64 units |]) else None ]

let private laneLayers layers (weights: (T * T option) list) =
    let weight (tensor: T) =
        LaneWeight(tensor.detach().requires_grad_ true, torch.zeros_like tensor)

    [ for layer, (kernel, bias) in List.zip layers weights ->
          let bias: LaneWeight | null =
              match bias with
              | Some tensor -> weight tensor
              | None -> null

          match layer with
          | Conv(_, geometry, ending, _) -> LaneLayer.Convolution(geometry, weight kernel, bias, ending) :> LaneLayer
          | Dense(_, relu, _) -> LaneLayer.Dense(weight kernel, bias, relu) ]

let private reference layers (weights: (T * T option) list) (x: T) =
    let bias =
        function
        | Some tensor -> tensor
        | None -> null

    (x, List.zip layers weights)
    ||> List.fold (fun x (layer, (kernel, b)) ->
        match layer with
        | Conv(_, g, ending, _) ->
            let padded =
                torch.nn.functional.pad (
                    x,
                    [| int64 g.Before.Width; int64 g.After.Width; int64 g.Before.Height; int64 g.After.Height |]
                )

            let sums =
                torch.nn.functional.conv2d (
                    padded,
                    kernel,
                    bias b,
                    [| int64 g.Stride.Height; int64 g.Stride.Width |],
                    [| 0L; 0L |],
                    [| int64 g.Dilation.Height; int64 g.Dilation.Width |]
                )

            let sums = if rectifies ending then sums.relu () else sums

            if pools ending then
                torch.nn.functional.max_pool2d (sums, [| 2L; 2L |])
            else
                sums
        | Dense(_, relu, _) ->
            let y = torch.nn.functional.linear (x.reshape (x.size 0, -1L), kernel, bias b)
            if relu then y.relu () else y)

let private step () = StepContext(1UL, new SoloCollective())

let private run (network: LaneNetwork) (x: T) =
    let step = step ()
    let y = network.Run(x, step)

    let score =
        torch.tensor [| for i in 0L .. y.numel () - 1L -> single (sin (float i + 1.0)) |]

    (y.reshape -1L * score).sum().backward()
    step.ThrowIfFailed()
    y

/// ‖a − b‖ / ‖b‖, of a nothing 0.
let private apart (actual: T) (expected: T) =
    let difference = (actual.``to`` torch.float64 - expected).norm().item<float>()
    let size = expected.norm().item<float>()
    if size = 0.0 then difference else difference / size

let private agree width (shape: LaneShape) count layers seed =
    scope (fun () ->
        let generator = Random(seed: int)
        let weights = weights generator shape layers

        let x =
            random generator [| int64 count; int64 shape.Channels; int64 shape.Height; int64 shape.Width |]

        x.requires_grad <- true
        let own = laneLayers layers weights
        use network = new LaneNetwork(shape, own, Nullable width)
        let y = run network x

        let doubled (t: T) =
            t.detach().``to``(torch.float64).requires_grad_ true

        let inDoubles = weights |> List.map (fun (k, b) -> doubled k, Option.map doubled b)
        let x64 = doubled x
        let expected = reference layers inDoubles x64

        let score =
            torch.tensor [| for i in 0L .. expected.numel () - 1L -> sin (float i + 1.0) |]

        (expected.reshape -1L * score).sum().backward()
        Expect.isLessThan (apart (y.reshape expected.shape) expected) 1e-6 $"{layers}: output"
        Expect.isLessThan (apart x.grad x64.grad) 1e-6 $"{layers}: input's gradient"

        let together (gradients: T seq) =
            torch.cat [| for g in gradients -> g.reshape -1L |]

        let gradients =
            together
                [ for layer in own do
                      for weight in LaneLayer.WeightsOf layer -> nonNull weight.Gradient ]

        let expected =
            together
                [ for k, b in inDoubles do
                      yield! k.grad :: [ for b in Option.toList b -> b.grad ] ]

        Expect.isLessThan (apart gradients expected) 1e-6 $"{layers}: weights' gradients")

let private geometry kernel stride dilation before after =
    let axes (height: int, width: int) = Axes(height, width)
    ConvolutionGeometry(axes kernel, axes stride, axes dilation, axes before, axes after)

let private endings = Enum.GetValues<ConvolutionEnding>()

/// A convolution that fits, from one number.
let private drawn seed =
    let generator = Random(seed: int)
    let below n = generator.Next n

    let pair least most =
        least + below (most - least + 1), least + below (most - least + 1)

    let g = geometry (pair 1 5) (pair 1 3) (pair 1 2) (pair 0 3) (pair 0 3)
    let ending = endings[below endings.Length]
    let least k d = (k - 1) * d + 1

    // Now and then the least that a side can be: with padding, even a single row.
    let side kernel dilation stride padding =
        match below 4 with
        | 0 when pools ending -> max 1 (least kernel dilation + stride - padding)
        | 0 -> max 1 (least kernel dilation - padding)
        | _ -> least kernel dilation + 3 * stride + below 6

    let height =
        side g.Kernel.Height g.Dilation.Height g.Stride.Height (g.Before.Height + g.After.Height)

    let width =
        side g.Kernel.Width g.Dilation.Width g.Stride.Width (g.Before.Width + g.After.Width)

    let layers = [ Conv(1 + below 9, g, ending, below 4 > 0) ]

    LaneShape(1 + below 7, height, width),
    1 + below 37,
    match below 3 with
    | 0 -> layers
    | 1 -> layers @ [ Dense(1 + below 30, below 2 = 0, below 4 > 0) ]
    | _ ->
        Conv(1 + below 7, geometry (3, 3) (1, 1) (1, 1) (1, 1) (1, 1), ConvolutionEnding.Relu, true)
        :: layers

let private lenet =
    [ Conv(6, geometry (5, 5) (1, 1) (1, 1) (2, 2) (2, 2), ConvolutionEnding.ReluMaxPool, true)
      Conv(16, geometry (5, 5) (1, 1) (1, 1) (0, 0) (0, 0), ConvolutionEnding.ReluMaxPool, true)
      Dense(120, true, true)
      Dense(84, true, true)
      Dense(10, false, true) ]

let private lenetInput = LaneShape(1, 28, 28)

let private lenetOf (generator: Random) =
    new LaneNetwork(lenetInput, laneLayers lenet (weights generator lenetInput lenet))

let private bits (y: T) = y.data<single>().ToArray()

[<Tests>]
let tests =
    testList
        "Kernels.Layers.Lanes.LaneNetwork"
        [ for width in widths do
              test $"LeNet-5 agrees with libtorch in float64 on {int width} bits" { agree width lenetInput 37 lenet 11 }

              testPropertyWithConfig
                  { FsCheckConfig.defaultConfig with
                      maxTest = 60 }
                  $"convolutions of any kernel, stride, dilation and padding agree on {int width} bits"
                  (fun (seed: int) ->
                      let shape, count, layers = drawn seed
                      agree width shape count layers (seed ^^^ 77))

          test "a prefix of a batch has the bits of the batch" {
              scope (fun () ->
                  let generator = Random 5
                  use network = lenetOf generator
                  let x = random generator [| 45L; 1L; 28L; 28L |]
                  use _ = torch.no_grad ()
                  let whole = bits (network.Run(x, step ()))

                  for count in [ 1L; 2L; 15L; 16L; 17L; 31L; 33L ] do
                      let part = bits (network.Run(x.narrow (0L, 0L, count), step ()))
                      Expect.equal part whole[.. part.Length - 1] $"{count} samples")
          }

          test "registers of every width give the same bits forward" {
              scope (fun () ->
                  let weights = weights (Random 6) lenetInput lenet
                  let x = random (Random 7) [| 20L; 1L; 28L; 28L |]
                  use _ = torch.no_grad ()

                  let outputs =
                      [ for width in widths do
                            use network = new LaneNetwork(lenetInput, laneLayers lenet weights, Nullable width)
                            bits (network.Run(x, step ())) ]

                  Expect.allEqual outputs outputs.Head "outputs")
          }

          test "no samples have an output of none, and no gradient" {
              scope (fun () ->
                  use network = lenetOf (Random 1)
                  let x = torch.zeros ([| 0L; 1L; 28L; 28L |], requires_grad = true)
                  let y = run network x
                  Expect.equal y.shape [| 0L; 10L; 1L; 1L |] "shape"
                  Expect.equal x.grad.shape x.shape "gradient")
          }

          test "a NaN goes through ReLU and pooling, in its own sample alone" {
              scope (fun () ->
                  use network = lenetOf (Random 2)
                  let x = random (Random 3) [| 3L; 1L; 28L; 28L |]
                  x[torch.TensorIndex.Single 1L].fill_(Scalar.op_Implicit nan) |> ignore
                  use _ = torch.no_grad ()
                  let isNaN = [| for v in bits (network.Run(x, step ())) -> Single.IsNaN v |]
                  Expect.equal isNaN [| for i in 0..29 -> i / 10 = 1 |] "which are NaN")
          }

          test "gradients are added to what is there" {
              scope (fun () ->
                  let layers = [ Dense(3, false, true) ]
                  let shape = LaneShape(4, 1, 1)
                  let own = laneLayers layers (weights (Random 4) shape layers)
                  use network = new LaneNetwork(shape, own)
                  let x = random (Random 5) [| 5L; 4L; 1L; 1L |]
                  let gradient = (Seq.head (LaneLayer.WeightsOf own.Head)).Gradient
                  run network x |> ignore
                  let once = bits (nonNull gradient)
                  run network x |> ignore
                  Expect.equal (bits (nonNull gradient)) [| for v in once -> v + v |] "twice as much")
          }

          test "two passes may be under way before either goes back" {
              scope (fun () ->
                  use network = lenetOf (Random 8)

                  let a, b =
                      random (Random 9) [| 4L; 1L; 28L; 28L |], random (Random 10) [| 20L; 1L; 28L; 28L |]

                  a.requires_grad <- true
                  let context = step ()
                  let first = network.Run(a, context)
                  let second = network.Run(b, context)
                  (first.sum () + second.sum ()).backward()
                  context.ThrowIfFailed()
                  let together = bits a.grad
                  a.grad.zero_ () |> ignore
                  network.Run(a, context).sum().backward()
                  Expect.equal (bits a.grad) together "the first pass' gradient")
          }

          test "a second backward pass over one forward pass is refused" {
              scope (fun () ->
                  use network = lenetOf (Random 8)
                  let context = step ()
                  let y = network.Run(random (Random 9) [| 4L; 1L; 28L; 28L |], context).sum()
                  y.backward (retain_graph = true)
                  y.backward ()
                  Expect.throwsT<InvalidOperationException> context.ThrowIfFailed "said afterwards")
          }

          test "samples of another size are refused" {
              scope (fun () ->
                  use network = lenetOf (Random 1)

                  Expect.throwsT<ArgumentException>
                      (fun () -> network.Run(torch.zeros [| 2L; 1L; 8L; 8L |], step ()) |> ignore)
                      "8×8 in place of 28×28")
          }

          test "weights of another type are refused" {
              scope (fun () ->
                  let kernel = torch.zeros ([| 2L; 3L |], dtype = torch.float64)
                  let layer = LaneLayer.Dense(LaneWeight(kernel, null), null, false)

                  Expect.throwsT<ArgumentException>
                      (fun () -> (new LaneNetwork(LaneShape(3, 1, 1), [ layer ])).Dispose())
                      "float64")
          } ]
