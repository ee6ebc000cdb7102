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

/// The same behind one vector of 784 elements.
let private seen (last: string) loss =
    $"network N {{\n input 28x28x1\n flatten\n {last}\n}}\ntrain N {{\n data mnist\n loss {loss}\n optimizer sgd\n}}\n"

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
          for last, loss in
              [ "reshape 7x7x16; conv 10 1 softmax; globalavgpool", "cross-entropy"
                "dense 10 softmax; dropout 0.2; reshape 10", "cross-entropy"
                "dense 10 softmax; linear", "cross-entropy"
                "average { dense 10 softmax } { dense 10 softmax }", "cross-entropy"
                "dense 10 sigmoid; gaussiannoise 0.1", "binary-cross-entropy"
                "dense 10 sparsesigmoid", "binary-cross-entropy"
                "reshape 7x7x16; conv 10 7 sigmoid; flatten", "binary-cross-entropy" ] do
              test $"'{loss}' sees the probabilities through what keeps or averages them in '{last}'" {
                  let result = Script.Check(source (seen last loss), catalogues)
                  Expect.isFalse result.HasErrors result.Text
                  let warning = Seq.exactlyOne result.Diagnostics
                  Expect.stringContains warning.Message $"'{loss}' is less exact behind" "what"
              }
          for last, loss in
              [ "dense 10 sigmoid", "cross-entropy"
                "dense 10 hardsigmoid; dropout 0.1", "cross-entropy"
                "dense 20; reshape 1x2x10; conv 5 1 softmax; flatten", "cross-entropy"
                "dense 10 logsoftmax", "binary-cross-entropy"
                "dense 10; logsigmoid", "binary-cross-entropy" ] do
              test $"'{loss}' would take what '{last}' gives for logits, and says so" {
                  let result = Script.Check(source (seen last loss), catalogues)
                  Expect.isFalse result.HasErrors result.Text
                  let warning = Seq.exactlyOne result.Diagnostics
                  Expect.stringContains warning.Message $"'{loss}' takes what" "what"
                  Expect.stringContains warning.Message "for logits" "how"
              }
          for last in
              [ "dense 10 softmax; dense 10"
                "dense 10 softmax; rescale 2"
                "dense 10 softmax; relu"
                "add { dense 10 sigmoid } { dense 10 }" ] do
              test $"what '{last}' computes anew are logits" {
                  Expect.equal (complaint (seen last "cross-entropy")) "" "messages"
              }
          test "a loss that reaches nothing trained is worth a warning beside one that does" {
              let text =
                  script [ "a", 2 ] [ "loss cross-entropy on=a"; "loss mse on=b target=right" ]

              let text =
                  text.Replace(
                      "    output a\n",
                      "    output a\n    from right\n    conv kernel=gaussian pad=same\n    output b\n"
                  )

              let result = Script.Check(source text, catalogues)
              Expect.isFalse result.HasErrors result.Text
              let warning = Seq.exactlyOne result.Diagnostics
              Expect.stringContains warning.Message "'mse' trains nothing" "what"
              Expect.equal warning.Span.Start.Line (1 + text.Split('\n').Length - 3) "where"
          }
          for body in
              [ "flatten\n dense 10 frozen"
                "conv kernel=gaussian\n flatten\n dense 10 frozen"
                "flatten as x\n dense 3\n output unused\n from x\n dense 10 frozen\n output seen" ] do
              test $"""a train part that trains nothing is refused: {body.Replace("\n", ";")}""" {
                  let on = if body.Contains "seen" then " on=seen" else ""

                  let text =
                      $"network N {{\n input 28x28x1\n {body}\n}}\ntrain N {{\n data mnist\n loss cross-entropy{on}\n optimizer sgd\n}}\n"

                  let errors =
                      [ for d in (Script.Check(source text, catalogues)).Diagnostics do
                            if d.Severity = Error then d ]

                  let error = List.exactlyOne errors
                  Expect.stringContains error.Message "nothing in 'N' is trained" "what"
                  Expect.stringStarts (text.Split('\n')[error.Span.Start.Line - 1]) "train N" "where"
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
