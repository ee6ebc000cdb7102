module CnnCluster.Tests.Trainer.Training.ReplicaTests

open System
open System.IO
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Kernels.Optimization
open CnnCluster.Tests.Trainer.Storage
open CnnCluster.Tests.Trainer.Training.Replicas
open CnnCluster.Trainer.Data
open CnnCluster.Trainer.Protocol
open CnnCluster.Trainer.Storage
open CnnCluster.Trainer.Training

let private exact =
    "    optimizer sgd lr=0.05 momentum=0.9\n    precision float64\n    batch 16\n"

let private withBatchNorm = "    batchnorm\n    dropout 0.3"

/// N ranks end where one does, in float64, epoch after epoch.
let private agrees world (plan: TrainPlan) =
    let alone = (trained 1 2 plan)[0]
    let together = trained world 2 plan
    Expect.allEqual (together |> Array.map _.Hash) together[0].Hash "every rank has the same weights"
    Expect.isLessThan (distance alone.Parameters together[0].Parameters) 1e-12 "weights"
    Expect.isLessThan (distance alone.Buffers together[0].Buffers) 1e-12 "running statistics"

    for a, b in List.zip alone.Losses together[0].Losses do
        Expect.floatClose Accuracy.high b a "losses"

    for a, b in List.zip (List.concat alone.Figures) (List.concat together[0].Figures) do
        Expect.floatClose Accuracy.veryHigh b a "figures"

let private lastSlice samples =
    small withBatchNorm $"{exact}    data digits train={32 + samples} test=10"

let private diverging =
    small "" "    optimizer sgd lr=1e38\n    batch 16\n    data digits train=64 test=10"

let private solo (plan: TrainPlan) =
    new Replica(plan, torch.CPU, new SoloCollective())

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
                  small "" "    data digits train=96 test=10\n    optimizer adam\n    precision float64\n"

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
          for world in [ 2; 3 ] do
              test $"two inputs through one tower, and three losses on two outputs, are exact over {world} ranks" {
                  agrees
                      world
                      (plan (pairs "batchnorm; dropout 0.3" "    optimizer sgd lr=0.05 momentum=0.9\n    augment shift"))
              }
          test "what training makes less is the weighted sum of the losses, each a figure without its weight" {
              let plan = plan (pairs "" "    optimizer sgd")

              Expect.sequenceEqual
                  plan.FigureNames
                  [ "loss_total"; "loss_apart_huber"; "loss_apart_mae"; "accuracy_total"; "mae_apart" ]
                  "names"

              let data = TrainingCatalogues.Load(plan, null)
              use replica = solo plan

              let batch = (loader plan data replica.Collective).TrainEpoch(1, 0) |> Seq.head

              let step = replica.Take([| batch |], 0.0, false)
              let mean i = step.Figures[i] / float step.Samples
              Expect.floatClose Accuracy.veryHigh step.Loss (mean 0 + 0.5 * mean 1 + 0.25 * mean 2) "the sum"
              Expect.floatClose Accuracy.veryHigh (mean 4) (mean 2) "mae, as a loss and as a metric"
              let sums = replica.Evaluate [ batch ]
              Expect.floatClose Accuracy.veryHigh (sums.Loss / float sums.Samples) step.Loss "in validation"

              for i in 0..4 do
                  Expect.floatClose Accuracy.veryHigh sums.Figures[i] step.Figures[i] $"figure {i}"
          }
          test "the gradient of several losses is the weighted sum of theirs" {
              let gradient (text: string) =
                  let plan = plan text
                  use replica = solo plan
                  let mutable reduced = [||]
                  replica.Reduced <- fun r -> reduced <- flat r.Arena.Gradients

                  let batch =
                      (loader plan (TrainingCatalogues.Load(plan, null)) replica.Collective).TrainEpoch(1, 0)
                      |> Seq.head

                  replica.Take([| batch |], 0.0, false) |> ignore
                  reduced

              let all = pairs "" "    optimizer sgd"

              let without (lines: string list) =
                  List.fold (fun (text: string) line -> text.Replace(line, "")) all lines

              let total = "loss cross-entropy on=total target=sum"
              let huber = "loss huber on=apart target=difference weight=0.5"
              let mae = "loss mae on=apart target=difference weight=0.25"

              let parts =
                  [ without [ huber; mae ]; without [ total; mae ]; without [ total; huber ] ]
                  |> List.map gradient

              Expect.isLessThan (distance (List.reduce (Array.map2 (+)) parts) (gradient all)) 1e-14 "gradient"
          }
          test "inputs are matched by their names, and else by their order" {
              let text = pairs "" "    optimizer sgd"

              for change, sources in
                  [ id, [ 0; 1 ]
                    (fun (text: string) ->
                        text
                            .Replace("input left", "input first")
                            .Replace("input right", "input left")
                            .Replace("input first", "input right")),
                    [ 1; 0 ]
                    (fun (text: string) -> text.Replace("left", "a").Replace("right", "b")), [ 0; 1 ] ] do
                  let plan = plan (change text)
                  Expect.sequenceEqual plan.InputSources sources "sources"

                  let original =
                      (TrainingCatalogues.DataSetOf plan).Load.Invoke(DataRequest(null, plan.Data.Settings))

                  let data = TrainingCatalogues.Load(plan, null)

                  for input, source in List.indexed sources do
                      Expect.equal data.Train.Inputs[input].Pixels original.Train.Inputs[source].Pixels "pixels"
          }
          test "an autoencoder of one of two inputs compares with that one" {
              let plan =
                  plan
                      """
network Auto {
    input left 28x28x1
    input right 28x28x1
    multiply left right
    conv 1 3x3 pad=same
}

train Auto {
    data digit-pairs train=8 test=2
    loss mse target=right
    optimizer sgd
    precision float64
}
"""

              use _ = torch.NewDisposeScope()
              use replica = solo plan

              let batch =
                  (loader plan (TrainingCatalogues.Load(plan, null)) replica.Collective).TrainEpoch(1, 0)
                  |> Seq.exactlyOne

              let predicted = flat (replica.Predict batch).Outputs[0]
              let right = flat batch.Inputs[1]

              let expected =
                  Array.map2 (fun a b -> (a - b) ** 2.0) predicted right |> Array.average

              let step = replica.Take([| batch |], 0.0, false)
              Expect.floatClose Accuracy.veryHigh step.Loss expected "the mean over the right images"
          }
          test "frozen layers keep their weights and statistics, over any number of ranks and through a checkpoint" {
              TemporaryFolder.inFolder (fun folder ->
                  let frozen =
                      plan (
                          (pairs "batchnorm frozen" "    optimizer sgd lr=0.1")
                              .Replace("conv 4 5x5", "conv 4 5x5 frozen")
                      )

                  let values (replica: Replica) = flat replica.Buffers.Current
                  use replica = solo frozen
                  let names = [ for tensor in frozen.Network.Buffers -> tensor.Name ]
                  Expect.contains names "tower/conv1/kernel" "a frozen weight is a buffer"

                  // Values of their own, so that none could come from a fresh replica.
                  use _ = torch.no_grad ()
                  replica.Buffers.Current.add_ (0.25.ToScalar()) |> ignore
                  let before = values replica
                  let weights = ReplicaState.WeightsHash replica
                  use _ = torch.enable_grad ()

                  for batch in
                      (loader frozen (TrainingCatalogues.Load(frozen, null)) replica.Collective).TrainEpoch(1, 0) do
                      replica.Take([| batch |], 0.1, false) |> ignore

                  Expect.equal (values replica) before "frozen weights and statistics"
                  Expect.notEqual (ReplicaState.WeightsHash replica) weights "the others are trained"
                  let path = Path.Combine(folder, "state.safetensors")

                  AtomicFile.Write(
                      path,
                      ReplicaState.Checkpoint(replica, CnnCluster.Trainer.Protocol.Position(), "Pairs")
                  )

                  use other = solo frozen
                  Expect.notEqual (values other) before "fresh"
                  ReplicaState.LoadWeights(other, path)
                  Expect.equal (values other) before "loaded"
                  Expect.equal (ReplicaState.WeightsHash other) (ReplicaState.WeightsHash replica) "weights"
                  agrees 2 frozen)
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

              let collectives =
                  CnnCluster.Tests.Kernels.Collectives.Ranks.inProcess 3 (TimeSpan.FromSeconds 20.0)

              let seen =
                  CnnCluster.Tests.Kernels.Collectives.Ranks.onThreads collectives (fun collective ->
                      use replica = new Replica(plan, torch.CPU, collective)

                      [ for i, batch in Seq.indexed ((loader plan data collective).TrainEpoch(1, 0)) ->
                            replica.Take([| batch |], 0.01, collective.Rank.Value = 1 && i = 2).StopRequested ])
                  |> CnnCluster.Tests.Kernels.Collectives.Ranks.all

              Expect.allEqual seen [ false; false; true; false ] "each rank"
          }
          test "a lost peer leaves the replica whole at the last step" {
              let plan = plan (small withBatchNorm $"{exact}    data digits train=64 test=10")
              let data = TrainingCatalogues.Load(plan, null)

              let collectives =
                  CnnCluster.Tests.Kernels.Collectives.Ranks.inProcess 2 (TimeSpan.FromSeconds 20.0)

              use committed = new System.Threading.CountdownEvent 2

              let states =
                  CnnCluster.Tests.Kernels.Collectives.Ranks.onThreads collectives (fun collective ->
                      use replica = new Replica(plan, torch.CPU, collective)
                      let batches = (loader plan data collective).TrainEpoch(1, 0) |> Seq.toArray
                      replica.Take([| batches[0] |], 0.01, false) |> ignore
                      let before = flat replica.Arena.Parameters, flat replica.Buffers.Current
                      committed.Signal() |> ignore

                      if collective.Rank.Value = 1 then
                          // A rank that leaves at once could still fail the step that its peer is leaving.
                          committed.Wait(TimeSpan.FromSeconds 20.0) |> ignore
                          collective.Abort "gone"
                          None
                      else
                          Expect.throwsT<CollectiveException>
                              (fun () -> replica.Take([| batches[1] |], 0.01, false) |> ignore)
                              "the peer is gone"

                          Some(before, (flat replica.Arena.Parameters, flat replica.Buffers.Current), replica.Step))
                  |> CnnCluster.Tests.Kernels.Collectives.Ranks.all

              let before, after, step = states[0].Value
              Expect.equal after before "weights and running statistics"
              Expect.equal step 1L "one step was committed"
          }
          test "a checkpoint holds weights, buffers, optimizer state and position, and the weights come back" {
              TemporaryFolder.inFolder (fun folder ->
                  let plan = plan (small withBatchNorm $"{exact}    data digits train=64 test=10")
                  use replica = solo plan

                  for batch in (loader plan (TrainingCatalogues.Load(plan, null)) replica.Collective).TrainEpoch(1, 0) do
                      replica.Take([| batch |], 0.01, false) |> ignore

                  let path = Path.Combine(folder, "state.safetensors")

                  AtomicFile.Write(
                      path,
                      ReplicaState.Checkpoint(
                          replica,
                          CnnCluster.Trainer.Protocol.Position(Step = replica.Step),
                          "Small"
                      )
                  )

                  let file = SafetensorsFile.Open path

                  for name in [ "conv1/kernel"; "dense1/bias"; "batchnorm1/mean"; "optimizer/velocity/conv1/kernel" ] do
                      Expect.isTrue (file.Contains name) name

                  Expect.equal (file.ReadInt64 "run/step") [| 4L |] "the step"
                  use other = solo plan
                  ReplicaState.LoadWeights(other, path)
                  Expect.equal (ReplicaState.WeightsHash other) (ReplicaState.WeightsHash replica) "weights"
                  Expect.equal (flat other.Buffers.Current) (flat replica.Buffers.Current) "buffers")
          }
          test "weights of another network are refused with the tensor's name" {
              TemporaryFolder.inFolder (fun folder ->
                  let settings = $"{exact}    data digits train=64 test=10"
                  use replica = solo (plan (small "" settings))
                  let path = Path.Combine(folder, "state.safetensors")

                  AtomicFile.Write(
                      path,
                      ReplicaState.Checkpoint(replica, CnnCluster.Trainer.Protocol.Position(), "Small")
                  )

                  use other = solo (plan (small "    batchnorm" settings))
                  let load () = ReplicaState.LoadWeights(other, path)

                  Expect.throwsC load (fun e ->
                      Expect.stringContains e.Message "batchnorm1/scale" "the tensor"
                      Expect.isTrue (e :? StateFileException) "the user's mistake"))
          } ]
