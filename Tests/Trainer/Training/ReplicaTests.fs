module CnnCluster.Tests.Trainer.Training.ReplicaTests

open System
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Kernels.Optimization
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Kernels.Collectives
open CnnCluster.Tests.Trainer.Training.Replicas
open CnnCluster.Trainer.Data
open CnnCluster.Trainer.Training

let private lastSlice samples =
    small withBatchNorm $"{exact}    data digits train={32 + samples} test=10"

let private diverging =
    small "" "    optimizer sgd lr=1e38\n    batch 16\n    data digits train=64 test=10"

[<Tests>]
let tests =
    testList
        "Trainer.Replica"
        [ for samples in [ 5; 7; 1; 2 ] do
              for world in [ 2; 3; 4 ] do
                  test
                      $"a last batch of {samples} samples is exact over {world} ranks, empty slices and batch norm included" {
                      agrees world (plan (lastSlice samples))
                  }
          for shares in [ [| 1; 2 |]; [| 5; 1; 3 |] ] do
              test $"the reduced gradient is the mean over the batch where ranks have shares of {List.ofArray shares}" {
                  let plan = plan (small withBatchNorm $"{exact}    data digits train=37 test=10")
                  let data = TrainingCatalogues.Load(plan, null)

                  /// Each batch's reduced gradient, and how many samples of it this rank had.
                  let gradients shares collective =
                      use replica = new Replica(plan, torch.CPU, collective)
                      let mutable gradient = [||]
                      replica.Reduced <- fun r -> gradient <- flat r.Arena.Gradients

                      [ for batch in (loaderOf shares plan data collective).TrainEpoch(1, 0) do
                            let count = batch.Count
                            replica.Take([| batch |], 0.0, false) |> ignore
                            gradient, count ]

                  let alone = (Ranks.onRanks 1 (gradients [| 1 |]))[0]
                  let together = Ranks.onRanks shares.Length (gradients shares)
                  let counts = [ for rank in together -> snd rank.Head ]
                  let fair = [ for share in shares -> 16.0 * float share / float (Array.sum shares) ]
                  Expect.equal (List.sum counts) 16 "the first batch is dealt out"

                  for count, fair in List.zip counts fair do
                      Expect.isLessThan (abs (float count - fair)) 1.0 $"by shares: {counts}"

                  for rank in together do
                      for (ours, _), (whole, _) in List.zip rank alone do
                          Expect.isLessThan (distance whole ours) 1e-12 "of each batch, the last and smaller one too"
              }
          test "a sample's output has the same bits in any slice" {
              let settings = "    optimizer sgd\n    batch 40\n    data digits train=40 test=10"
              let plan = plan (CnnCluster.Tests.Cli.Cnn.lenet settings)
              use replica = solo plan

              let whole =
                  (loader plan (TrainingCatalogues.Load(plan, null)) replica.Collective).TrainEpoch(1, 0)
                  |> Seq.head

              use _ = torch.NewDisposeScope()
              let output batch = (replica.Predict batch).Outputs[0]
              let all = output whole

              for count in 1 .. whole.Count - 1 do
                  let slice =
                      new Batch(
                          int64 count,
                          0L,
                          [| whole.Inputs[0].narrow(0L, 0L, int64 count) |],
                          [| whole.Targets[0].narrow(0L, 0L, int64 count) |]
                      )

                  Expect.equal (flat (output slice)) (flat (all.narrow (0L, 0L, int64 count))) $"the first {count}"
          }
          test "a loss that reaches no weight is reported, and changes nothing" {
              let plan settings =
                  $"""
network N {{
    input 28x28x1 as x
    flatten
    dense 4 frozen
    dense 10
    output y
    from x
    conv kernel=gaussian pad=same
    output blurred
}}

train N {{
    data digits train=32 test=10
    loss cross-entropy on=y
{settings}
    optimizer sgd
}}
"""
                  |> plan

              let alone = (trained 1 1 (plan "")).[0]
              let beside = (trained 1 1 (plan "    loss mse on=blurred target=input")).[0]
              Expect.equal beside.Hash alone.Hash "weights"
              Expect.isGreaterThan beside.Losses.Head alone.Losses.Head "the sum"
          }
          test "accumulated batches make one step of all of them" {
              let text =
                  small "" "    data digits train=90 test=10\n    optimizer adam\n    precision float64\n"

              let whole = (trained 1 1 (plan (text.Replace("seed 3", "seed 3\n    batch 32"))))[0]

              let parts =
                  (trained 1 1 (plan (text.Replace("seed 3", "seed 3\n    batch 8\n    accumulate 4"))))[0]

              Expect.isLessThan (distance whole.Parameters parts.Parameters) 1e-12 "weights"

              let spread =
                  (trained 3 1 (plan (text.Replace("seed 3", "seed 3\n    batch 8\n    accumulate 4"))))[0]

              Expect.isLessThan (distance whole.Parameters spread.Parameters) 1e-12 "over three ranks too"
          }
          test "accumulation with batch norm takes each part by itself, the same over any number of ranks" {
              let settings = exact.Replace("batch 16", "batch 8\n    accumulate 2")
              agrees 3 (plan (small "    batchnorm" $"{settings}    data digits train=37 test=10"))
          }
          test "regularization losses are added once, whatever the world" {
              let text =
                  (small "" $"{exact}    data digits train=64 test=10")
                      .Replace("dense 10", "dense 10 kernel-reg=elastic(1e-3, 1e-2)")

              agrees 3 (plan text)
          }
          test "augmented samples are the same, whoever prepares them" {
              agrees
                  3
                  (plan (small "" $"{exact}    data digits train=48 test=10\n    augment shift\n    augment rotate"))
          }
          test "a gradient that is not finite stops the step, and changes nothing" {
              let plan = plan diverging
              use replica = solo plan

              let batches =
                  (loader plan (TrainingCatalogues.Load(plan, null)) replica.Collective).TrainEpoch(1, 0)
                  |> Seq.toArray

              let mutable before = ""

              Expect.throwsT<NonFiniteGradientException>
                  (fun () ->
                      for batch in batches do
                          before <- ReplicaState.WeightsHash replica
                          replica.Take([| batch |], 1e38, false) |> ignore)
                  "diverged"

              Expect.equal (ReplicaState.WeightsHash replica) before "the weights of the last whole step"
          }
          test "one rank that is asked to stop stops all, at the same step" {
              let plan = plan (small "" $"{exact}    data digits train=64 test=10")
              let data = TrainingCatalogues.Load(plan, null)

              let collectives = Ranks.inProcess 3 Ranks.bound

              let seen =
                  Ranks.onThreads collectives (fun collective ->
                      use replica = new Replica(plan, torch.CPU, collective)

                      [ for i, batch in Seq.indexed ((loader plan data collective).TrainEpoch(1, 0)) ->
                            replica.Take([| batch |], 0.01, collective.Rank.Value = 1 && i = 2).StopRequested ])
                  |> Ranks.all

              Expect.allEqual seen [ false; false; true; false ] "each rank"
          }
          test "a lost peer leaves the replica whole at the last step" {
              let plan = plan (small withBatchNorm $"{exact}    data digits train=64 test=10")
              let data = TrainingCatalogues.Load(plan, null)

              let collectives = Ranks.inProcess 2 Ranks.bound

              use committed = new System.Threading.CountdownEvent 2

              let states =
                  Ranks.onThreads collectives (fun collective ->
                      use replica = new Replica(plan, torch.CPU, collective)
                      let batches = (loader plan data collective).TrainEpoch(1, 0) |> Seq.toArray
                      replica.Take([| batches[0] |], 0.01, false) |> ignore
                      let before = flat replica.Arena.Parameters, flat replica.Buffers.Current
                      committed.Signal() |> ignore

                      if collective.Rank.Value = 1 then
                          // A rank that leaves at once could still fail the step that its peer is leaving.
                          committed.Wait Ranks.bound |> ignore
                          collective.Abort "gone"
                          None
                      else
                          Expect.throwsT<CollectiveException>
                              (fun () -> replica.Take([| batches[1] |], 0.01, false) |> ignore)
                              "the peer is gone"

                          Some(before, (flat replica.Arena.Parameters, flat replica.Buffers.Current), replica.Step))
                  |> Ranks.all

              let before, after, step = states[0].Value
              Expect.equal after before "weights and running statistics"
              Expect.equal step 1L "one step was committed"
          } ]
