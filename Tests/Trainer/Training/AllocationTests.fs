/// A step leaves the garbage collector what TorchSharp makes for its calls, and nothing of ours.
module CnnCluster.Tests.Trainer.Training.AllocationTests

open System
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Trainer.Training.CallsByHand
open CnnCluster.Tests.Trainer.Training.Replicas
open CnnCluster.Trainer.Data
open CnnCluster.Trainer.Protocol
open CnnCluster.Trainer.Training

/// The smallest object there is.
let private smallest = 24.0

let private steps, private first, private last = 400, 100, 300

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
    data digits train={BatchSize * steps} test=10
    loss cross-entropy
    optimizer sgd lr=0.01
    batch {BatchSize}
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
    torch.set_num_threads 1
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

/// What a step of a plan is by hand, by the calls of its network.
let private cases =
    let inOne () =
        let own = weight [ 4L ]
        step (fun x -> (Lanes.Of(x, own)).flatten 1L)

    [ "layers in lanes", inLanes, inOne
      "batch norm in lanes", planOf "    conv 4 5x5 stride=2\n    batchnorm relu" "", inOne
      "shards that go through lanes together",
      planOf "    conv 4 5x5 stride=2\n    batchnorm relu" "    exact shards=4",
      (fun () -> stepOfShards 4)
      "layers outside lanes",
      planOf "    conv 4 5x5 stride=2 tanh\n    batchnorm relu\n    maxpool 2x2\n    dropout 0.3" "",
      (fun () ->
          let kernel, bias = weight [ 4L; 1L; 5L; 5L ], weight [ 4L ]
          let scale, shift = weight [ 4L ], weight [ 4L ]
          let last, added = weight [ 10L; 144L ], weight [ 10L ]

          step (fun x ->
              let features = (convolution kernel bias x).tanh()
              let greatest = MaxPool.Of(BatchNorm.Of(features, scale, shift))
              use mask = torch.empty (pooled, dtype = torch.float32)
              dense last added ((greatest * mask).flatten 1L)))
      "bfloat16",
      planOf "    conv 4 5x5 stride=2 relu" "    precision bfloat16",
      (fun () ->
          let kernel, bias = weight [ 4L; 1L; 5L; 5L ], weight [ 4L ]
          let last, added = weight [ 10L; 576L ], weight [ 10L ]
          let reduced (x: Tensor) = x.``to`` torch.bfloat16

          step (fun x ->
              let x = reduced x

              let features = (convolution (reduced kernel) (reduced bias) x).relu_().flatten 1L

              (dense (reduced last) (reduced added) features).``to`` torch.float32)) ]

let private bytesByHand makeStep =
    use _ = torch.NewDisposeScope()
    let step = makeStep ()

    bytesOf (fun count ->
        for _ in 1..last do
            step ()
            count ())

[<Tests>]
let tests =
    testList
        "Trainer.Allocation"
        [ for name, plan, byHand in cases do
              test $"a step allocates what TorchSharp's calls in it do, and nothing besides: {name}" {
                  let own = (bytesOfSessions 1 plan)[0]
                  let calls = bytesByHand byHand
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
                              $"    optimizer sgd\n    data digits train={BatchSize * steps} test=10\n    batch {BatchSize}\n{settings}"
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
