/// Exact mode in replicas: whatever the number of ranks, the same bits.
module CnnCluster.Tests.Trainer.Training.ExactTests

open System
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Kernels.Collectives
open CnnCluster.Tests.Trainer.Training.Replicas
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Data
open CnnCluster.Trainer.Training

let private exact shards = $"    exact shards={shards}\n"

/// Batches of 16, the last one of 5: fewer than the shards of some.
let private common =
    "    data digits train=37 test=21\n    optimizer sgd lr=0.05 momentum=0.9\n    batch 16\n    augment shift\n"

let private batchNormAndDropout = "    batchnorm relu\n    dropout 0.3"

let private lanes settings =
    CnnCluster.Tests.Cli.Cnn.lenet (common + settings)

let private lanesWithBatchNorm settings =
    (lanes settings).Replace("5x5 relu", "5x5\n    batchnorm relu")

let private cases =
    [ "LeNet-5, in lanes", lanes (exact 4)
      "LeNet-5 with batch norm, in lanes", lanesWithBatchNorm (exact 5)
      "accumulated batches with batch norm, in lanes", lanesWithBatchNorm ("    accumulate 2\n" + exact 4)
      "more shards than samples with batch norm, in lanes", lanesWithBatchNorm (exact 19)
      "dropout, five shards", small "    dropout 0.3" (common + exact 5)
      "batch norm and dropout", small batchNormAndDropout (common + exact 4)
      "batch norm and dropout in float64", small batchNormAndDropout (common + "    precision float64\n" + exact 5)
      "no batch norm, in float64", small "    dropout 0.3" (common + "    precision float64\n" + exact 4)
      "batch norm in bfloat16", small batchNormAndDropout (common + "    precision bfloat16\n" + exact 4)
      "accumulated batches", small "    dropout 0.3" (common + "    accumulate 2\n" + exact 6)
      "accumulated batches with batch norm", small batchNormAndDropout (common + "    accumulate 2\n" + exact 4)
      "more shards than samples", small batchNormAndDropout (common + exact 19)
      "clipping and regularizers",
      (small batchNormAndDropout (common + "    clip global-norm=0.5\n" + exact 4))
          .Replace("dense 10", "dense 10 kernel-reg=elastic(1e-3, 1e-2)")
      "two inputs through one tower, three losses",
      pairs "batchnorm; dropout 0.3" ("    optimizer adam\n    augment shift\n" + exact 4) ]

/// All that a run's figures are made of, to the bit.
type private Run =
    { Weights: float[]
      Statistics: float[]
      Losses: float list
      Figures: float list list
      Validation: string }

let private epochs = 2

/// What a rank ends with, and its own sums over the validation samples.
let private trainOn makeStep (plan: TrainPlan) (data: DataSet) (collective: ICollective) =
    torch.set_num_threads 1
    use replica = new Replica(plan, torch.CPU, collective, makeStep ())
    let loader = loader plan data collective

    let steps =
        [ for epoch in 1..epochs do
              for slices in loader.TrainEpoch(epoch, 0) |> Seq.chunkBySize (plan.Accumulate * loader.Parts) ->
                  let step = replica.Take(slices, learningRate plan, false)
                  step.Loss + step.Penalty, List.ofSeq step.Figures ]

    let validation =
        Replicas.loader plan (DataSet(data.Validation, data.Validation)) collective

    { Weights = flat replica.Arena.Parameters
      Statistics = flat replica.Buffers.Current
      Losses = List.map fst steps
      Figures = List.map snd steps
      Validation = "" },
    replica.Evaluate(validation.InOrder())

let private runBy makeStep world (plan: TrainPlan) =
    let data = TrainingCatalogues.Load(plan, null)
    let ends = Ranks.onRanks world (trainOn makeStep plan data)
    let runs = ends |> Array.map fst
    Expect.allEqual runs runs[0] "every rank has the same"

    // As the coordinator adds them.
    { runs[0] with
        Validation = $"{EpochMetrics.Total(ends |> Array.map snd)}" }

let private run world plan = runBy (fun () -> null) world plan

let private worldsOf (plan: TrainPlan) =
    [ 2; 3; 4 ] |> List.filter (fun world -> world <= plan.Shards.Value)

[<Tests>]
let tests =
    testList
        "Trainer.Exact"
        [ for name, text in cases do
              test $"{name}: any number of workers has one worker's bits, in weights, statistics and figures" {
                  let plan = plan text
                  let alone = run 1 plan

                  for world in worldsOf plan do
                      Expect.equal (run world plan) alone $"{world} workers"
              }
          for layers in [ "    dropout 0.3"; batchNormAndDropout ] do
              test $"what is computed is what is computed without it: {layers.Trim().Split('\n').Length} layers" {
                  let settings = common + "    precision float64\n"
                  let without = run 1 (plan (small layers settings))
                  let exact = run 2 (plan (small layers (settings + exact 5)))
                  Expect.isLessThan (distance without.Weights exact.Weights) 1e-12 "weights"

                  if without.Statistics.Length > 0 then
                      Expect.isLessThan (distance without.Statistics exact.Statistics) 1e-12 "running statistics"

                  for a, b in List.zip without.Losses exact.Losses do
                      Expect.floatClose Accuracy.veryHigh b a "losses"
              }
          for name, layers in [ "with batch norm", batchNormAndDropout; "without", "    dropout 0.3" ] do
              test $"a worker that goes on alone, and is joined again, ends as one that was never left: {name}" {
                  let plan = plan (small layers (common + exact 4))
                  let data = TrainingCatalogues.Load(plan, null)
                  let undisturbed = run 1 plan

                  // Both take the first step, one the second, both the rest.
                  let first, second = Ranks.inProcess 2 Ranks.bound, Ranks.inProcess 2 Ranks.bound
                  use left = new Threading.ManualResetEventSlim()

                  let take (replica: Replica) epoch step =
                      let loader = loader plan data replica.Collective

                      let slices = loader.TrainEpoch(epoch, step) |> Seq.take loader.Parts |> Seq.toArray

                      replica.Take(slices, learningRate plan, false) |> ignore

                  let states =
                      Ranks.onThreads [| 0; 1 |] (fun rank ->
                          torch.set_num_threads 1
                          use replica = new Replica(plan, torch.CPU, first[rank])
                          take replica 1 0

                          if rank = 0 then
                              replica.Join(new SoloCollective())
                              take replica 1 1
                              left.Set()
                          else
                              left.Wait Ranks.bound |> ignore

                          replica.Join second[rank]
                          second[rank].Broadcast(replica.Arena.Parameters, Rank 0)
                          second[rank].Broadcast(replica.Buffers.Current, Rank 0)

                          for state in replica.Arena.States do
                              second[rank].Broadcast(state, Rank 0)

                          replica.Step <- 2L
                          take replica 1 2

                          for step in 0..2 do
                              take replica 2 step

                          flat replica.Arena.Parameters, flat replica.Buffers.Current)
                      |> Ranks.all

                  for state in states do
                      Expect.equal state (undisturbed.Weights, undisturbed.Statistics) "to the bit"
              }
          test "a step of one's own has the same bits too, where no layer takes statistics of the batch" {
              let plan = plan (small "" (common + "    metric accuracy\n" + exact 4))

              let makeStep () =
                  CnnCluster.Samples.Consistency() :> OwnStep

              let alone = runBy makeStep 1 plan

              for world in [ 2; 3 ] do
                  Expect.equal (runBy makeStep world plan) alone $"{world} workers"
          }
          for name, text in
              [ "in lockstep", small batchNormAndDropout (common + exact 4); "in lanes", lanesWithBatchNorm (exact 4) ] do
              test $"a lost peer leaves a replica {name} whole at the last step" {
                  let plan = plan text
                  let data = TrainingCatalogues.Load(plan, null)
                  let collectives = Ranks.inProcess 2 Ranks.bound
                  use committed = new Threading.CountdownEvent 2

                  let states =
                      Ranks.onThreads collectives (fun collective ->
                          torch.set_num_threads 1
                          use replica = new Replica(plan, torch.CPU, collective)
                          let loader = loader plan data collective
                          let batches = loader.TrainEpoch(1, 0) |> Seq.chunkBySize loader.Parts |> Seq.toArray

                          let state () =
                              flat replica.Arena.Parameters, flat replica.Buffers.Current

                          replica.Take(batches[0], 0.01, false) |> ignore
                          let before = state ()
                          committed.Signal() |> ignore
                          committed.Wait Ranks.bound |> ignore

                          if collective.Rank.Value = 1 then
                              collective.Abort "gone"
                          else
                              Expect.throwsT<CollectiveException>
                                  (fun () -> replica.Take(batches[1], 0.01, false) |> ignore)
                                  "the peer is gone"

                          before, state (), replica.Step)
                      |> Ranks.all

                  for before, after, step in states do
                      Expect.equal after before "weights and running statistics"
                      Expect.equal step 1L "one step was committed"
              }
          test "one worker's wish to stop is all workers', in lockstep, in turn and together in lanes" {
              for text in
                  [ small batchNormAndDropout (common + exact 4)
                    small "" (common + exact 4)
                    lanesWithBatchNorm (exact 4) ] do
                  let plan = plan text
                  let data = TrainingCatalogues.Load(plan, null)

                  let seen =
                      Ranks.onRanks 3 (fun collective ->
                          torch.set_num_threads 1
                          use replica = new Replica(plan, torch.CPU, collective)
                          let loader = loader plan data collective

                          [ for i, slices in Seq.indexed (loader.TrainEpoch(1, 0) |> Seq.chunkBySize loader.Parts) ->
                                replica.Take(slices, 0.01, collective.Rank.Value = 1 && i = 1).StopRequested ])

                  Expect.allEqual seen [ false; true; false ] "each rank"
          } ]
