/// Losses and metrics of several outputs, and what the checker makes of them.
module CnnCluster.Tests.Dsl.ObjectivesTests

open Expecto
open CnnCluster.Dsl
open CnnCluster.Tests.Dsl.Scripts

/// A network with two inputs, and outputs of so many units.
let private network (outputs: (string * int) list) =
    "network N {\n    input left 28x28x1\n    input right 28x28x1\n    concat left right\n    flatten as seen\n"
    + String.concat "" [ for name, units in outputs -> $"    from seen\n    dense {units}\n    output {name}\n" ]
    + "}\n"

let private script outputs settings =
    network outputs
    + "train N {\n    data pairs\n    optimizer sgd\n"
    + String.concat "" [ for setting in settings -> $"    {setting}\n" ]
    + "}\n"

let private planOf text : TrainPlan =
    let result = training text []
    if result.HasErrors then failtest result.Text else result.Value.Plan

let private figures outputs settings =
    List.ofSeq (planOf (script outputs settings)).FigureNames

let private complaint text =
    (Script.Check(source text, catalogues)).Text

let private classifier last loss =
    lenet.Replace("dense   10\n", last + "\n")
    + $"train LeNet5 {{\n    data mnist\n    loss {loss}\n    optimizer sgd\n}}\n"

[<Tests>]
let tests =
    testList
        "Dsl.Objectives"
        [ for outputs, settings, expected in
              [ [ "a", 2 ], [ "loss cross-entropy" ], [ "accuracy" ]
                [ "a", 2 ], [ "loss mse" ], []
                [ "a", 1 ], [ "loss binary-cross-entropy"; "metric mae" ], [ "mae" ]
                [ "a", 1 ], [ "loss hinge" ], [ "accuracy" ]
                [ "a", 1 ], [ "loss binary-cross-entropy target=difference" ], []
                [ "a", 2 ], [ "loss cross-entropy"; "loss mse" ], [ "loss_cross_entropy"; "loss_mse"; "accuracy" ]
                [ "a", 2; "b", 19 ],
                [ "loss cross-entropy on=a"; "loss cross-entropy on=b target=sum" ],
                [ "loss_a"; "loss_b"; "accuracy_a"; "accuracy_b" ]
                [ "a", 1; "b", 19 ],
                [ "loss mae on=a"; "loss mae on=a target=difference"; "loss huber on=a"; "loss mse on=b target=sum" ],
                [ "loss_a_mae_same"; "loss_a_mae_difference"; "loss_a_huber"; "loss_b" ]
                [ "a", 1; "b", 1 ],
                [ "loss hinge on=a"; "metric accuracy"; "metric mse target=difference" ],
                [ "accuracy_a"; "mse_a" ]
                [ "a", 1; "b", 1 ],
                [ "loss mse on=a target=difference"; "loss hinge on=b"; "metric mae on=a"; "metric accuracy on=b" ],
                [ "loss_a"; "loss_b"; "mae_a"; "accuracy_b" ] ] do
              let text = String.concat "; " settings

              test $"the figures of '{text}' on {outputs.Length} outputs have names that tell them apart" {
                  Expect.equal (figures outputs settings) expected "names"
              }
          test "a loss and a metric speak of the first target and the only output, unless they say otherwise" {
              let plan =
                  planOf (
                      script
                          [ "a", 1 ]
                          [ "loss mse target=difference weight=0.5"; "metric mae"; "metric accuracy target=same" ]
                  )

              let loss = Seq.exactlyOne plan.Losses
              Expect.equal (loss.Judge.Output, loss.Judge.Target, loss.Weight) (0, OfData 2, 0.5) "loss"
              Expect.equal [ for m in plan.Metrics -> m.Target ] [ OfData 2; OfData 0 ] "metrics go with the loss"
              let plain = planOf (script [ "a", 1 ] [ "loss mse" ])
              Expect.equal (Seq.exactlyOne plain.Losses).Judge.Target (OfData 0) "the first target"
          }
          test "target=input is the only input, whatever its name, and a name is that input" {
              let targets text =
                  [ for loss in (planOf text).Losses -> loss.Judge.Target ]

              let auto input target =
                  $"network A {{\n    input {input}28x28x1\n    conv 1 3x3 pad=same\n}}\ntrain A {{\n    data mnist\n    loss mse target={target}\n    optimizer sgd\n}}\n"

              Expect.equal (targets (auto "" "input")) [ OfInput 0 ] "without a name"
              Expect.equal (targets (auto "photo " "input")) [ OfInput 0 ] "with one"
              Expect.equal (targets (auto "photo " "photo")) [ OfInput 0 ] "by it"
          }
          for monitor, higher in
              [ "val_loss_a", false; "val_accuracy_b", true; "train_mae_a", false; "val_loss", false ] do
              let better = if higher then "more" else "less"

              test $"early stopping can watch {monitor}, of which {better} is better" {
                  let plan =
                      planOf (
                          script
                              [ "a", 1; "b", 19 ]
                              [ "loss mse on=a target=difference"
                                "loss cross-entropy on=b target=sum"
                                "metric mae on=a"
                                "metric accuracy on=b"
                                $"early-stop monitor={monitor}" ]
                      )

                  Expect.equal (plan.EarlyStop.Monitor, plan.EarlyStop.Higher) (monitor, higher) "figure"
              }
          test "confusion matrices are those of outputs that are compared with classes" {
              let names outputs settings =
                  [ for c in (planOf (script outputs settings)).Classifications -> c.Name, c.Classes ]

              Expect.equal (names [ "a", 1 ] [ "loss binary-cross-entropy" ]) [ "confusion", 2 ] "one"
              Expect.equal (names [ "a", 1 ] [ "loss mse target=difference" ]) [] "none"

              Expect.equal
                  (names
                      [ "a", 1; "b", 19 ]
                      [ "loss hinge on=a"
                        "loss mse on=a target=difference"
                        "loss cross-entropy on=b target=sum"
                        "loss mse on=b target=sum" ])
                  [ "confusion_a", 2; "confusion_b", 19 ]
                  "each output once"
          }
          for last, loss in
              [ "dense 10 softmax", "cross-entropy"
                "dense 10; softmax", "cross-entropy"
                "dense 10 sigmoid", "binary-cross-entropy" ] do
              test $"'{loss}' behind '{last}' works, with a warning that says why logits are better" {
                  let result = Script.Check(source (classifier last loss), catalogues)
                  Expect.isFalse result.HasErrors result.Text
                  let warning = Seq.exactlyOne result.Diagnostics
                  Expect.stringContains warning.Message $"'{loss}' is less exact behind" "what"
                  Expect.stringContains warning.Message "takes logits" "why"
                  Expect.stringContains result.Text "expected a last layer without" "what to do"
              }
          for last, loss in
              [ "dense 10", "cross-entropy"
                "dense 10 logsoftmax", "cross-entropy"
                "dense 10 sigmoid", "mse"
                "dense 10 tanh", "hinge" ] do
              test $"'{loss}' behind '{last}' is no reason to warn" {
                  Expect.equal (complaint (classifier last loss)) "" "messages"
              }
          test "an output without a loss is worth a warning" {
              let text = script [ "a", 2; "b", 19 ] [ "loss cross-entropy on=a" ]
              Expect.stringContains (complaint text) "warning: the output 'b' has no loss" "message"
              Expect.isFalse (training text []).HasErrors "no error"
          }
          test "an input of the data set that nothing takes is worth a warning" {
              let text =
                  classifier "dense 2" "cross-entropy" |> _.Replace("data mnist", "data pairs")

              Expect.stringContains (complaint text) "warning: no input takes 'right' of pairs" "message"
              Expect.isFalse (training text []).HasErrors "no error"
          }
          test "open sides are filled in from the samples of each input" {
              let text = (script [ "a", 2 ] [ "loss cross-entropy" ]).Replace("28x28x1", "?x?x1")

              let swapped =
                  text
                      .Replace("input left", "input one")
                      .Replace("input right", "input left")
                      .Replace("left right", "one left")

              Expect.equal
                  [ for input in (planOf text).Network.Inputs -> Shape.text input.Shape ]
                  [ "28x28x1"; "28x28x1" ]
                  "shapes"

              Expect.stringContains (complaint swapped) "'one' and 'left' would both take 'left' of pairs" "by name"
          } ]
