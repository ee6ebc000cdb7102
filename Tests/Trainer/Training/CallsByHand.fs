/// The calls of TorchSharp that layers and steps are made of, in a row: what these leave the garbage collector is
/// TorchSharp's.
module internal CnnCluster.Tests.Trainer.Training.CallsByHand

open System
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Tests.Trainer.Training.FunctionsByHand

let weightOf (dtype: torch.ScalarType) sides =
    (torch.rand (shape sides, dtype = dtype)).mul_(Scalars.Of 0.1).requires_grad_ true

let weight sides = weightOf torch.float32 sides

let pixels = shape [ int64 BatchSize; 1L; 28L; 28L ]

// ---- layers ----

let private pair side = shape [ side; side ]

let convolve (stride: int64) padding dilation kernel bias =
    let strides, padding, dilation = pair stride, pair padding, pair dilation
    fun (x: Tensor) -> torch.nn.functional.conv2d (x, kernel, bias, strides, padding, dilation, 1L)

/// A convolution of 5×5 with stride 2, in planes.
let convolution kernel bias =
    let convolve = convolve 2L 0L 1L kernel bias
    fun (x: Tensor) -> convolve (x.contiguous ())

/// Rows are filled up to a block of 16.
let private denseOf samples (fill: int64[]) kernel bias (x: Tensor) =
    let rows = torch.nn.functional.pad (x, fill, PaddingModes.Constant, 0.0)
    torch.nn.functional.linear(rows, kernel, bias).narrow(0L, 0L, samples)

let private fill, private fillOfOne =
    shape [ 0L; 0L; 0L; 8L ], shape [ 0L; 0L; 0L; 15L ]

let dense kernel bias x =
    denseOf (int64 BatchSize) fill kernel bias x

/// Of a single sample.
let denseOfOne kernel bias x = denseOf 1L fillOfOne kernel bias x

/// Windows of 3×3 with stride 2, and one element around.
let averagePooling () =
    let kernel, stride, ends = pair 3L, pair 2L, shape [ 1L; 1L; 1L; 1L ]
    let counted = torch.ones (shape [ 1L; 1L; 6L; 6L ])

    fun (x: Tensor) ->
        let padded = torch.nn.functional.pad (x, ends, PaddingModes.Constant, 0.0)
        torch.nn.functional.avg_pool2d (padded, kernel, stride) / counted

/// Batch norm with a ReLU in a type that has no kernel of ours.
let batchNorm (dtype: torch.ScalarType) channels =
    let scale, shift = weightOf dtype [ channels ], weightOf dtype [ channels ]

    let nextMean, nextVariance =
        torch.zeros (channels, dtype = dtype), torch.ones (channels, dtype = dtype)

    let axes, along = shape [ 0L; 2L; 3L ], shape [ 1L; -1L; 1L; 1L ]
    let count, one, epsilon = Scalars.Of 1152.0, Scalars.Of 1.0, Scalars.Of 1e-3
    let kept, fresh = Scalars.Of 0.99, Scalars.Of 0.01

    let remember (next: Tensor) (batch: Tensor) =
        use _ = torch.no_grad ()
        next.copy_ ((next * kept).add(batch.detach () * fresh, one)) |> ignore

    fun (x: Tensor) ->
        let mean = RanksSum.Of(x.sum axes) / count
        let centred = x - mean.reshape along
        let variance = RanksSum.Of((centred * centred).sum axes) / count
        remember nextMean mean
        remember nextVariance variance
        let normal = centred / (variance.add(epsilon, one).sqrt().reshape along)
        (normal * scale.reshape along).add(shift.reshape along, one).relu()

let private oneMore = shape [ 0L; 0L; 0L; 0L; 0L; 0L; 0L; 1L ]

/// A convolution of a single sample, beside one of zeros.
let besideZeros (convolve: Tensor -> Tensor) (x: Tensor) =
    (convolve (torch.nn.functional.pad (x.contiguous (), oneMore, PaddingModes.Constant, 0.0))).narrow(0L, 0L, 1L)

// ---- layers that make arrays of an input's shape ----

/// Noise, which is written into memory of its own.
let noise sides =
    let sides, deviation, one = shape sides, Scalars.Of 0.1, Scalars.Of 1.0

    fun (x: Tensor) ->
        let scaled =
            use numbers = torch.empty (sides, dtype = torch.float32)
            numbers * deviation

        x.add (scaled, one)

let padding () =
    let ends = shape [ 1L; 1L; 1L; 1L ]
    fun (x: Tensor) -> torch.nn.functional.pad (x, ends, PaddingModes.Constant, 0.0)

/// A transposed convolution of 2×2 with stride 2, of what lies in planes.
let spread kernel bias =
    let stride, nothing, behind, once = pair 2L, pair 0L, pair 0L, pair 1L
    fun (x: Tensor) -> torch.nn.functional.conv_transpose2d (x, kernel, bias, stride, nothing, behind, once, 1L)

let transposed kernel bias =
    let spread = spread kernel bias
    fun (x: Tensor) -> spread (x.contiguous ())

/// Group norm, of images in a row of pixels.
let groups rows whole scale shift =
    let rows, whole = shape rows, shape whole

    fun (x: Tensor) ->
        let pixels = (x.reshape rows).contiguous()
        torch.nn.functional.group_norm(pixels, 2L, scale, shift, 1e-3).reshape whole

/// Layer norm over the channels.
let overChannels rows whole scale shift =
    let rows, whole, channels = shape rows, shape whole, shape [ 4L ]

    fun (x: Tensor) ->
        let last = (x.reshape rows).transpose(1L, 2L)
        let normal = torch.nn.functional.layer_norm (last, channels, scale, shift, 1e-3)
        normal.transpose(1L, 2L).contiguous().reshape whole

/// Local response norm over three channels.
let responses rows whole =
    let rows, whole = shape rows, shape whole
    let kernel, stride, padding = shape [ 3L; 1L ], pair 1L, shape [ 1L; 0L ]

    fun (x: Tensor) ->
        let squares = (x * x).reshape rows

        let sums =
            torch.nn.functional.avg_pool2d (
                squares,
                kernel,
                stride = stride,
                padding = padding,
                divisor_override = Nullable 1L
            )

        let scaled = sums.reshape whole * Scalars.Of 1e-4
        let root = (scaled.add (Scalars.Of 2.0, Scalars.Of 1.0)).sqrt()
        x / (root * root.sqrt ())

let cropped (side: int64) (x: Tensor) =
    x.narrow(2L, 2L, side).narrow(3L, 2L, side)

/// Each element four times.
let enlarged apart repeated joined =
    let apart, repeated, joined = shape apart, shape repeated, shape joined
    fun (x: Tensor) -> x.reshape(apart).expand(repeated).reshape joined

let adaptive side =
    let size = pair side
    fun (x: Tensor) -> torch.nn.functional.adaptive_avg_pool2d (x, size)

/// The mean of all pixels.
let overall rows given =
    let rows, given, pixels = shape rows, shape given, shape [ 2L ]
    fun (x: Tensor) -> ((x.reshape rows).mean pixels).reshape given

// ---- steps ----

/// Each sample's loss.
let private lossesOf (logits: Tensor) labels =
    let logs = torch.nn.functional.log_softmax (logits, 1L)
    torch.nn.functional.nll_loss (logs, labels, reduction = torch.nn.Reduction.None)

/// Whether each sample's class is the one of the highest output.
let hitsOf (logits: Tensor) (labels: Tensor) =
    (logits.argmax 1L).eq(labels).``to`` logits.dtype

/// A slice's losses, backward from them, and its figures.
let private judge (logits: Tensor) labels (loss: Tensor) (hits: Tensor) =
    let total = (lossesOf logits labels).sum() / Scalars.Of(float BatchSize)
    total.backward ()
    use gradless = torch.no_grad ()
    loss.add_ (total, Scalars.Of 1.0) |> ignore
    hits.add_ ((hitsOf logits labels).sum(), Scalars.Of 1.0) |> ignore

let sumsOfStep () =
    torch.zeros 5874L, torch.zeros 1L, torch.zeros 1L

let private samplesOf count =
    let pixels = shape [ count; 1L; 28L; 28L ]
    pixels, torch.rand pixels, torch.zeros (count, dtype = torch.int64)

let private sliceOf samples (network: Tensor -> Tensor) =
    let pixels, images, labels = samplesOf samples
    let gradient, loss, hits = sumsOfStep ()

    fun () ->
        gradient.zero_ () |> ignore
        use slice = torch.NewDisposeScope()
        judge (network (images.reshape pixels)) labels loss hits

/// What a thread does for a slice, around what a network makes of its pixels.
let slice network = sliceOf (int64 BatchSize) network

/// The same by a thread of its own.
let sliceOfShard network =
    let slice = slice network

    fun () ->
        use shard = torch.NewDisposeScope()
        slice ()

/// A step around what is done for its slices.
let around (slices: unit -> unit) =
    let buffers, next = torch.zeros 8L, torch.zeros 8L

    fun () ->
        use step = torch.NewDisposeScope()
        next.copy_ buffers |> ignore
        slices ()
        buffers.copy_ next |> ignore

/// A step of one slice, or of so many shards one after the other.
let step slices network =
    let slice = slice network

    around (fun () ->
        for _ in 1..slices do
            slice ())

/// A step of a single sample.
let stepOfOne network = around (sliceOf 1L network)

/// A figure's sum over a validation batch.
let summed (values: Tensor) =
    values.sum(torch.float64).item<float>() |> ignore

/// A validation batch.
let validationBatch (network: Tensor -> Tensor) =
    let pixels, images, labels = samplesOf (int64 BatchSize)

    fun () ->
        use batch = torch.NewDisposeScope()
        use gradless = torch.no_grad ()
        let logits = network (images.reshape pixels)
        summed (lossesOf logits labels)
        summed (hitsOf logits labels)

/// A step of one slice through a network in lanes.
let stepInLanes () =
    let pixels, images, labels = samplesOf (int64 BatchSize)
    let outputs = shape [ int64 BatchSize; 10L; 1L; 1L ]
    let gradient, loss, hits = sumsOfStep ()

    around (fun () ->
        gradient.zero_ () |> ignore
        use slice = torch.NewDisposeScope()
        use detached = (images.reshape pixels).detach()
        detached.contiguous().Dispose()
        let output = torch.empty (outputs, dtype = torch.float32)
        output.requires_grad <- true
        judge (output.flatten 1L) labels loss hits
        output.grad.contiguous().Dispose())

/// A step of shards that go through lanes together.
let stepOfShards shards =
    let samples = int64 BatchSize / int64 shards
    let slice = shape [ samples; 1L; 28L; 28L ]
    let outputs = shape [ samples; 10L; 1L; 1L ]
    let images, labels = torch.rand slice, torch.zeros (samples, dtype = torch.int64)
    let gradient, loss, hits = sumsOfStep ()
    let buffers, next = torch.zeros 8L, torch.zeros 8L
    let made: Tensor[] = Array.zeroCreate shards

    fun () ->
        use step = torch.NewDisposeScope()
        next.copy_ buffers |> ignore

        for _ in 1..shards do
            gradient.zero_ () |> ignore

        use batch = torch.NewDisposeScope()

        for _ in 1..shards do
            use detached = (images.reshape slice).detach()
            detached.contiguous().Dispose()

        for shard in 0 .. shards - 1 do
            made[shard] <- torch.empty (outputs, dtype = torch.float32)

        for output in made do
            output.requires_grad <- true
            judge (output.flatten 1L) labels loss hits
            output.grad.contiguous().Dispose()

        buffers.copy_ next |> ignore
