/// A step leaves the garbage collector what TorchSharp makes for its calls, and nothing of ours.
module CnnCluster.Tests.Trainer.Training.AllocationTests

open System
open System.Collections.Generic
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Kernels.Layers.Lanes
open CnnCluster.Tests.Trainer.Training.Replicas
open CnnCluster.Trainer.Data
open CnnCluster.Trainer.Protocol
open CnnCluster.Trainer.Training

/// The smallest object there is.
let private smallest = 24.0

let private batch, private steps, private first, private last = 8, 400, 100, 300

let private planOf layers settings =
    plan
        $"""
network N {{
    input 28x28x1
{layers}
    flatten
    dense 10
}}

train N {{
    data digits train={batch * steps} test=10
    loss cross-entropy
    optimizer sgd lr=0.01
    batch {batch}
    seed 3
{settings}
}}
"""

let private inLanes = planOf "    conv 4 5x5 stride=2 relu" ""

let private data = lazy TrainingCatalogues.Load(inLanes, null)

/// Bytes that this thread has allocated in a step, on the average of many, of what calls back after each.
let private bytesOf (run: (unit -> unit) -> unit) =
    let mutable step = 0
    let mutable before = 0L
    let mutable allocated = 0L

    run (fun () ->
        step <- step + 1

        if step = first then
            before <- GC.GetAllocatedBytesForCurrentThread()
        elif step = last then
            allocated <- GC.GetAllocatedBytesForCurrentThread() - before)

    float allocated / float (last - first)

/// The session that a worker drives, which is the caller's to dispose: a peer may still be in its last step.
let private ofSession plan (collective: ICollective) =
    let session = new WorkerSession(Job(), plan, torch.CPU, data.Value, null)
    let form = FormGeneration()

    for _ in 1 .. collective.WorldSize.Value do
        form.Members.Add(Member(Share = 1))

    session.Enter(collective, form)

    bytesOf (fun count -> session.TrainEpoch(1, (fun () -> false), (fun _ -> count ())) |> ignore), session

let private bytesOfSessions world plan =
    let sessions = onRanks world (ofSession plan)

    for _, session in sessions do
        session.Dispose()

    Array.map fst sessions

/// The calls of TorchSharp that our functions of autograd, layers and steps are made of, in a row: what these leave the
/// garbage collector is TorchSharp's.
module private ByHand =
    let kept = obj ()
    let shape (sides: int64 list) = Array.ofList sides

    let weight sides =
        (torch.rand(shape sides).mul_(Scalars.Of 0.1)).requires_grad_ true

    let pixels = shape [ int64 batch; 1L; 28L; 28L ]
    let features = shape [ int64 batch; 4L; 12L; 12L ]
    let pooled = shape [ int64 batch; 4L; 6L; 6L ]
    let logits = shape [ int64 batch; 10L; 1L; 1L ]
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
        torch.nn.functional.linear(rows, kernel, bias).narrow(0L, 0L, int64 batch)

    /// A step, around what a network makes of its pixels.
    let step (network: Tensor -> Tensor) (buffers: int64) =
        use scope = torch.NewDisposeScope()
        let images = torch.rand pixels
        let labels = torch.zeros (int64 batch, dtype = torch.int64)

        let gradient, buffers, next =
            torch.zeros 5874L, torch.zeros buffers, torch.zeros buffers

        let loss, hits = torch.zeros 1L, torch.zeros 1L

        bytesOf (fun count ->
            for _ in 1..last do
                use step = torch.NewDisposeScope()
                next.copy_ buffers |> ignore
                gradient.zero_ () |> ignore
                use slice = torch.NewDisposeScope()
                let logits = network (images.reshape pixels)
                let logs = torch.nn.functional.log_softmax (logits, 1L)

                let values =
                    torch.nn.functional.nll_loss (logs, labels, reduction = torch.nn.Reduction.None)

                let total = values.sum () / Scalars.Of(float batch)
                total.backward ()
                use gradless = torch.no_grad ()
                loss.add_ (total, Scalars.Of 1.0) |> ignore
                let right = (logits.argmax 1L).eq(labels).``to`` logits.dtype
                hits.add_ (right.sum (), Scalars.Of 1.0) |> ignore
                buffers.copy_ next |> ignore
                count ())

let private cases =
    [ "layers in lanes",
      inLanes,
      0L,
      (fun () -> let own = ByHand.weight [ 4L ] in fun x -> (ByHand.Lanes.Of(x, own)).flatten 1L)
      "batch norm in lanes",
      planOf "    conv 4 5x5 stride=2\n    batchnorm relu" "",
      8L,
      (fun () -> let own = ByHand.weight [ 4L ] in fun x -> (ByHand.Lanes.Of(x, own)).flatten 1L)
      "layers outside lanes",
      planOf "    conv 4 5x5 stride=2 tanh\n    batchnorm relu\n    maxpool 2x2\n    dropout 0.3" "",
      8L,
      (fun () ->
          let kernel, bias = ByHand.weight [ 4L; 1L; 5L; 5L ], ByHand.weight [ 4L ]
          let scale, shift = ByHand.weight [ 4L ], ByHand.weight [ 4L ]
          let last, added = ByHand.weight [ 10L; 144L ], ByHand.weight [ 10L ]

          fun x ->
              let features = (ByHand.convolution kernel bias x).tanh()
              let pooled = ByHand.MaxPool.Of(ByHand.BatchNorm.Of(features, scale, shift))
              use mask = torch.empty (ByHand.pooled, dtype = torch.float32)
              ByHand.dense last added ((pooled * mask).flatten 1L))
      "bfloat16",
      planOf "    conv 4 5x5 stride=2 relu" "    precision bfloat16",
      0L,
      (fun () ->
          let kernel, bias = ByHand.weight [ 4L; 1L; 5L; 5L ], ByHand.weight [ 4L ]
          let last, added = ByHand.weight [ 10L; 576L ], ByHand.weight [ 10L ]
          let reduced (x: Tensor) = x.``to`` torch.bfloat16

          fun x ->
              let x = reduced x

              let features =
                  (ByHand.convolution (reduced kernel) (reduced bias) x).relu_().flatten 1L

              (ByHand.dense (reduced last) (reduced added) features).``to`` torch.float32) ]

[<Tests>]
let tests =
    testList
        "Trainer.Allocation"
        [ for name, plan, buffers, network in cases do
              test $"a step allocates what TorchSharp's calls in it do, and nothing besides: {name}" {
                  let own = (bytesOfSessions 1 plan)[0]
                  let calls = ByHand.step (network ()) buffers
                  Expect.isLessThan (abs (own - calls)) smallest $"bytes a step: {own} of the session, {calls} by hand"
              }
          test "two workers of one process allocate what one does" {
              let alone = (bytesOfSessions 1 inLanes)[0]

              for together in bytesOfSessions 2 inLanes do
                  Expect.isLessThan (abs (together - alone)) smallest $"bytes a step: {together} of two, {alone} alone"
          }
          for what, settings in [ "", ""; ", augmented", "    augment rotate degrees=8" ] do
              test $"batches are prepared in memory that is used again{what}" {
                  let plan =
                      Replicas.plan (
                          small
                              ""
                              $"    optimizer sgd\n    data digits train={batch * steps} test=10\n    batch {batch}\n{settings}"
                      )

                  let data = TrainingCatalogues.Load(plan, null)
                  let loader = loader plan data (new SoloCollective())

                  let bytes =
                      bytesOf (fun count ->
                          for batch in loader.PrepareEpoch(1, 0) do
                              batch.Dispose()
                              count ())

                  Expect.isLessThan bytes smallest "bytes a batch"
              } ]
