/// Several inputs, outputs and losses in one step.
module CnnCluster.Tests.Trainer.Training.ReplicaObjectivesTests

open Expecto
open TorchSharp
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Trainer.Training.Replicas
open CnnCluster.Trainer.Data
open CnnCluster.Trainer.Training

[<Tests>]
let tests =
    testList
        "Trainer.Replica objectives"
        [ for world in [ 2; 3 ] do
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
          } ]
