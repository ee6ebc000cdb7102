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

let private plan =
    plan
        $"""
network N {{
    input 28x28x1
    conv 4 5x5 stride=2 relu
    flatten
    dense 10
}}

train N {{
    data digits train={batch * steps} test=10
    loss cross-entropy
    optimizer sgd lr=0.01
    batch {batch}
    seed 3
}}
"""

let private data = lazy TrainingCatalogues.Load(plan, null)

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
let private ofSession (collective: ICollective) =
    let session = new WorkerSession(Job(), plan, torch.CPU, data.Value, null)
    let form = FormGeneration()

    for _ in 1 .. collective.WorldSize.Value do
        form.Members.Add(Member(Share = 1))

    session.Enter(collective, form)

    bytesOf (fun count -> session.TrainEpoch(1, (fun () -> false), (fun _ -> count ())) |> ignore), session

let private bytesOfSessions world =
    let sessions = onRanks world ofSession

    for _, session in sessions do
        session.Dispose()

    Array.map fst sessions

/// The same calls of TorchSharp, in a row.
let private bytesByHand () =
    use scope = torch.NewDisposeScope()
    let weight (shape: int64[]) = torch.rand(shape).mul_(Scalars.Of 0.1)

    let laneWeight shape =
        LaneWeight((weight shape).requires_grad_ true, torch.zeros shape)

    let geometry =
        ConvolutionGeometry(Axes(5, 5), Axes(2, 2), Axes(1, 1), Axes(0, 0), Axes(0, 0))

    use network =
        new LaneNetwork(
            LaneShape(1, 28, 28),
            [| LaneLayer.Convolution(geometry, laneWeight [| 4L; 1L; 5L; 5L |], laneWeight [| 4L |], StageEnding.Relu)
               :> LaneLayer
               LaneLayer.Dense(laneWeight [| 10L; 576L |], laneWeight [| 10L |], false) |]
        )

    let context = StepContext(0UL, new SoloCollective())
    let pixels = torch.rand (int64 batch, 1L, 28L, 28L)
    let labels = torch.zeros (int64 batch, dtype = torch.int64)
    let gradient, buffers, next = torch.zeros 5874L, torch.zeros 0L, torch.zeros 0L
    let loss, hits = torch.zeros 1L, torch.zeros 1L
    let shape = [| int64 batch; 1L; 28L; 28L |]

    bytesOf (fun count ->
        for _ in 1..last do
            use step = torch.NewDisposeScope()
            next.copy_ buffers |> ignore
            gradient.zero_ () |> ignore
            use slice = torch.NewDisposeScope()
            let logits = (network.Run(pixels.reshape shape, context)).flatten 1L
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

[<Tests>]
let tests =
    testList
        "Trainer.Allocation"
        [ test "a step allocates what TorchSharp's calls in it do, and nothing besides" {
              let own = (bytesOfSessions 1)[0]
              let calls = bytesByHand ()
              Expect.isLessThan (abs (own - calls)) smallest $"bytes a step: {own} of the session, {calls} by hand"
          }
          test "two workers of one process allocate what one does" {
              let alone = (bytesOfSessions 1)[0]

              for together in bytesOfSessions 2 do
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
