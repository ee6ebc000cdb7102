/// Layers for the kernels that compute 16 samples at a time, and what libtorch makes of the same in float64.
module CnnCluster.Tests.Kernels.Layers.Lanes.LaneCases

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Kernels.Layers.Lanes
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl.LayerCases

type private T = torch.Tensor

let widths = [ RegisterWidth.Bits128; RegisterWidth.Bits256; RegisterWidth.Bits512 ]

/// A layer as both sides need it.
type Layer =
    | Conv of filters: int * ConvolutionGeometry * StageEnding * bias: bool
    | Dense of units: int * relu: bool * bias: bool

let rectifies ending =
    ending = StageEnding.Relu || ending = StageEnding.ReluMaxPool

let pools ending =
    ending = StageEnding.MaxPool || ending = StageEnding.ReluMaxPool

/// Multiples of 1/8: sums of products are exact in float32 too, so that ReLU and pooling decide as in float64, and there
/// are ties to decide.
let random (generator: Random) (shape: int64[]) =
    let count = int (Array.fold (*) 1L shape)

    torch.tensor([| for _ in 1..count -> single (generator.Next(-8, 9)) / 8.0f |], dtype = torch.float32).reshape shape

/// Weights and zero gradients for each layer.
let weights generator (shape: LaneShape) layers =
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

let laneLayers layers (weights: (T * T option) list) =
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

let step () = StepContext(1UL, new SoloCollective())

/// Forward, and backward from a score of the outputs.
let run (network: LaneNetwork) (x: T) =
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

/// Outputs and gradients are those of libtorch in float64, to 1e-6 of their norm.
let agree width (shape: LaneShape) count layers seed =
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

let geometry kernel stride dilation before after =
    let axes (height: int, width: int) = Axes(height, width)
    ConvolutionGeometry(axes kernel, axes stride, axes dilation, axes before, axes after)

let private endings = Enum.GetValues<StageEnding>()

/// A convolution that fits, from one number.
let drawn seed =
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
        Conv(1 + below 7, geometry (3, 3) (1, 1) (1, 1) (1, 1) (1, 1), StageEnding.Relu, true)
        :: layers
