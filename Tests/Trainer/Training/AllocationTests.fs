/// A step leaves the garbage collector what TorchSharp makes for its calls, and nothing of ours.
module CnnCluster.Tests.Trainer.Training.AllocationTests

open System
open System.Collections.Concurrent
open Expecto
open CnnCluster.Dsl
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.AllocatedBytes
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Trainer.Training.AllocationCases
open CnnCluster.Tests.Trainer.Training.AllocationMeter
open CnnCluster.Tests.Trainer.Training.CallsByHand
open CnnCluster.Tests.Trainer.Training.FunctionsByHand
open CnnCluster.Tests.Trainer.Training.Replicas
open CnnCluster.Trainer.Data
open CnnCluster.Trainer.Training

let private data = lazy TrainingCatalogues.Load(inLanes, null)

let private bytesOfSessions world plan =
    ofSessions world plan data.Value noStep ofSteps

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

[<Tests>]
let tests =
    testList
        "Trainer.Allocation"
        [ for name, plan, byHand in cases do
              test $"a step allocates what TorchSharp's calls in it do, and nothing besides: {name}" {
                  let own = (bytesOfSessions 1 plan)[0]
                  agree own (bytesByHand byHand) "the session"
              }
          test "so does a step of a single sample, which is computed beside one of zeros" {
              let plan, byHand = caseOfOne
              let data = TrainingCatalogues.Load(plan, null)
              let own = (ofSessions 1 plan data noStep ofSteps)[0]
              agree own (bytesByHand byHand) "the session"
          }
          for name, plan, byHand in validationCases do
              test $"so does a validation batch: {name}" {
                  let own = (ofSessions 1 plan data.Value noStep ofValidation)[0]
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
                      bytesARound (fun count ->
                          for batch in loader.PrepareEpoch(1, 0) do
                              batch.Dispose()
                              count ())

                  Expect.isLessThan bytes smallest "bytes a batch"
              } ]
