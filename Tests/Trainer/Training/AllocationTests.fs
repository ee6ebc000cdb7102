/// A step leaves the garbage collector what TorchSharp makes for its calls, and nothing of ours.
module CnnCluster.Tests.Trainer.Training.AllocationTests

open System
open System.Collections.Concurrent
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Trainer.Training.AllocationCases
open CnnCluster.Tests.Trainer.Training.CallsByHand
open CnnCluster.Tests.Trainer.Training.FunctionsByHand
open CnnCluster.Tests.Trainer.Training.Replicas
open CnnCluster.Trainer.Data
open CnnCluster.Trainer.Protocol
open CnnCluster.Trainer.Training

/// The smallest object there is.
let private smallest = 24.0

/// The steps that are counted, and after how many of them there is a figure.
let private first, private last, private stretch = 100, 300, 50

let private data = lazy TrainingCatalogues.Load(inLanes, null)

/// Bytes that a thread allocates in a step, on the average of the stretch with the fewest: tables of TorchSharp's, which all
/// threads share, grow now and then, and whoever meets a full one pays for all.
[<Sealed>]
type private Meter() =
    let mutable step = 0
    let mutable before = 0L
    let mutable least = Int64.MaxValue

    /// Called after each step, or in each at one place, by that thread.
    member _.Count() =
        step <- step + 1

        if step >= first && step <= last && (step - first) % stretch = 0 then
            let now = GC.GetAllocatedBytesForCurrentThread()

            if step > first then least <- min least (now - before)

            before <- now

    member _.Bytes =
        if step < last then invalidOp $"There were {step} steps."

        float least / float stretch

/// Of what calls back after each step.
let private bytesOf (run: (unit -> unit) -> unit) =
    let meter = Meter()
    run meter.Count
    meter.Bytes

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

let private bytesByHand makeStep =
    use _ = torch.NewDisposeScope()
    let step = makeStep ()

    bytesOf (fun count ->
        for _ in 1..last do
            step ()
            count ())

/// The plan, and meters of the threads that its first layer's forward pass is on.
let private metered (plan: TrainPlan) =
    let meters = ConcurrentDictionary<int, Meter>()
    let make = Func<int, Meter>(fun _ -> Meter())

    let counting (layer: LayerPlan) =
        { layer with
            Forward =
                fun call ->
                    meters.GetOrAdd(Environment.CurrentManagedThreadId, make).Count()
                    layer.Forward call }

    let nodes =
        plan.Network.Nodes
        |> List.mapi (fun i node ->
            if i = 0 then
                { node with
                    Layer = counting node.Layer }
            else
                node)

    { plan with
        Network = { plan.Network with Nodes = nodes } },
    meters

let private agree own calls what =
    Expect.isLessThan (abs (own - calls)) smallest $"bytes a step: {own} of {what}, {calls} by hand"

[<Tests>]
let tests =
    testList
        "Trainer.Allocation"
        [ for name, plan, byHand in cases do
              test $"a step allocates what TorchSharp's calls in it do, and nothing besides: {name}" {
                  let own = (bytesOfSessions 1 plan)[0]
                  agree own (bytesByHand byHand) "the session"
              }
          for name, plan, byHand in lockstepCases do
              test $"so does a step of shards in lockstep, on each of their threads: {name}" {
                  let plan, meters = metered plan
                  let own = (bytesOfSessions 1 plan)[0]
                  agree own (bytesByHand (fun () -> around ignore)) "the session"
                  Expect.hasLength meters.Values plan.Shards.Value "a thread for each shard"
                  let calls = bytesByHand byHand

                  for meter in meters.Values do
                      agree meter.Bytes calls "a shard's thread"
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
                              $"    optimizer sgd\n    data digits train={BatchSize * Steps} test=10\n    batch {BatchSize}\n{settings}"
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
