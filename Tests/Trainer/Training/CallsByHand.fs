/// The calls of TorchSharp that our functions of autograd, layers and steps are made of, in a row: what these leave the
/// garbage collector is TorchSharp's.
module internal CnnCluster.Tests.Trainer.Training.CallsByHand

open System.Collections.Generic
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels

/// Samples of a batch.
[<Literal>]
let BatchSize = 8

let kept = obj ()
let shape (sides: int64 list) = Array.ofList sides

let weight sides =
    (torch.rand(shape sides).mul_(Scalars.Of 0.1)).requires_grad_ true

let pixels = shape [ int64 BatchSize; 1L; 28L; 28L ]
let features = shape [ int64 BatchSize; 4L; 12L; 12L ]
let pooled = shape [ int64 BatchSize; 4L; 6L; 6L ]
let logits = shape [ int64 BatchSize; 10L; 1L; 1L ]
let channels, sums, table = shape [ 4L ], shape [ 8L ], shape [ 7L; 4L ]

/// A run of layers in lanes.
[<Sealed>]
type Lanes() =
    inherit torch.autograd.SingleTensorFunction<Lanes>()
    override _.Name = nameof Lanes

    static member Of(x: Tensor, weight: Tensor) =
        torch.autograd.SingleTensorFunction<Lanes>.apply(x, weight, kept)

    override _.forward(context, vars) =
        context.save_data ("pass", kept)
        use detached = (vars[0] :?> Tensor).detach()
        use _ = detached.contiguous ()
        torch.empty (logits, dtype = torch.float32)

    override _.backward(context, gradient) =
        context.get_data "pass" |> ignore
        use _ = gradient.contiguous ()
        let gradients = List<Tensor> 3
        gradients.Add null
        gradients.Add null
        gradients.Add null
        gradients

[<Sealed>]
type MaxPool() =
    inherit torch.autograd.SingleTensorFunction<MaxPool>()
    override _.Name = nameof MaxPool

    static member Of(x: Tensor) =
        torch.autograd.SingleTensorFunction<MaxPool>.apply(x, kept, kept)

    override _.forward(context, vars) =
        use _ = (vars[0] :?> Tensor).contiguous()
        let winners = torch.empty (pooled, dtype = torch.uint8)
        let saved = List<Tensor> 1
        saved.Add winners
        context.save_for_backward saved
        context.save_data ("pass", kept)
        torch.empty (pooled, dtype = torch.float32)

    override _.backward(context, gradient) =
        context.get_data "pass" |> ignore
        use _ = context.get_saved_variables().[0]
        let result = torch.empty (features, dtype = torch.float32)
        use _ = gradient.contiguous ()
        let gradients = List<Tensor> 3
        gradients.Add result
        gradients.Add null
        gradients.Add null
        gradients

[<Sealed>]
type BatchNorm() =
    inherit torch.autograd.SingleTensorFunction<BatchNorm>()
    override _.Name = nameof BatchNorm

    static member Of(x: Tensor, scale: Tensor, shift: Tensor) =
        torch.autograd.SingleTensorFunction<BatchNorm>.apply(x, scale, shift, kept)

    override _.forward(context, vars) =
        let source = (vars[0] :?> Tensor).contiguous()
        let saved = List<Tensor> 2
        saved.Add source
        saved.Add(torch.empty (table, dtype = torch.float32))
        context.save_for_backward saved
        context.save_data ("pass", kept)
        use _ = torch.empty (sums, dtype = torch.float64)
        torch.empty_like source

    override _.backward(context, gradient) =
        context.get_data "pass" |> ignore
        let saved = context.get_saved_variables ()
        use source = saved[0]
        use _ = saved[1]
        use _ = gradient.contiguous ()
        use _ = torch.empty (sums, dtype = torch.float64)
        let gradients = List<Tensor> 4
        gradients.Add(torch.empty_like source)
        gradients.Add(torch.zeros (channels, dtype = torch.float32))
        gradients.Add(torch.zeros (channels, dtype = torch.float32))
        gradients.Add null
        gradients

let strides, nothing, once, fill =
    shape [ 2L; 2L ], shape [ 0L; 0L ], shape [ 1L; 1L ], shape [ 0L; 0L; 0L; 8L ]

let convolution kernel bias (x: Tensor) =
    torch.nn.functional.conv2d (x.contiguous (), kernel, bias, strides, nothing, once, 1L)

/// Rows are filled up to a block of 16.
let dense kernel bias (x: Tensor) =
    let rows = torch.nn.functional.pad (x, fill, PaddingModes.Constant, 0.0)
    torch.nn.functional.linear(rows, kernel, bias).narrow(0L, 0L, int64 BatchSize)

/// A slice's losses, backward from them, and its figures.
let private judge (logits: Tensor) labels (loss: Tensor) (hits: Tensor) =
    let logs = torch.nn.functional.log_softmax (logits, 1L)

    let values =
        torch.nn.functional.nll_loss (logs, labels, reduction = torch.nn.Reduction.None)

    let total = values.sum () / Scalars.Of(float BatchSize)
    total.backward ()
    use gradless = torch.no_grad ()
    loss.add_ (total, Scalars.Of 1.0) |> ignore
    let right = (logits.argmax 1L).eq(labels).``to`` logits.dtype
    hits.add_ (right.sum (), Scalars.Of 1.0) |> ignore

let private sumsOfStep () =
    torch.zeros 5874L, torch.zeros 1L, torch.zeros 1L

/// A step, around what a network makes of its pixels.
let step (network: Tensor -> Tensor) =
    let images, labels =
        torch.rand pixels, torch.zeros (int64 BatchSize, dtype = torch.int64)

    let gradient, loss, hits = sumsOfStep ()
    let buffers, next = torch.zeros 8L, torch.zeros 8L

    fun () ->
        use step = torch.NewDisposeScope()
        next.copy_ buffers |> ignore
        gradient.zero_ () |> ignore
        use slice = torch.NewDisposeScope()
        judge (network (images.reshape pixels)) labels loss hits
        buffers.copy_ next |> ignore

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
