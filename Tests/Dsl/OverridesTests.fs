module CnnCluster.Tests.Dsl.OverridesTests

open System
open Expecto
open CnnCluster.Dsl
open CnnCluster.Tests.Dsl.Scripts

let private changed changes : Training =
    let result = training plain changes
    if isNull (box result.Value) then failwith result.Text else result.Value

let private complaint changes =
    let result = training plain changes
    Expect.isNull (box result.Value) "the change was made"
    result.Text

let private learningRate (training: Training) = training.Plan.Optimizer.Settings["lr"]

[<Tests>]
let tests =
    testList
        "Dsl.Overrides"
        [ test "a setting is replaced, and the canonical script shows the new one only" {
              let training = changed [ "batch=64" ]
              Expect.equal training.Plan.Batch 64 "batch"
              Expect.stringContains training.Canonical "    batch 64\n" "canonical"
              Expect.isFalse (training.Canonical.Contains "batch 32") "the old value"
          }
          test "a setting that was not there is added" {
              let training = changed [ "seed=7"; "early-stop=monitor=val_loss patience=3" ]
              Expect.equal training.Plan.Seed 7UL "seed"
              Expect.equal training.Plan.EarlyStop.Patience.Value 3 "patience"
          }
          test "one part of a setting is replaced, the others stay" {
              let training = changed [ "optimizer.lr=0.1"; "optimizer.momentum=0.5" ]
              Expect.equal (learningRate training) 0.1 "lr"
              Expect.equal training.Plan.Optimizer.Settings["momentum"] 0.5 "momentum"
              Expect.stringContains training.Canonical "optimizer sgd lr=0.1 momentum=0.5" "canonical"
          }
          test "a part that stands first is replaced, not repeated" {
              let training =
                  changed
                      [ "early-stop=monitor=val_loss patience=3"
                        "early-stop.monitor=train_loss"
                        "clip=norm=1"
                        "clip.norm=2" ]

              Expect.equal training.Plan.EarlyStop.Monitor "train_loss" "monitor"
              Expect.equal training.Plan.Clipping.Limit 2.0 "limit"
          }
          test "a flag is replaced by its value" {
              let training =
                  changed [ "optimizer=sgd lr=0.1 momentum=0.9 nesterov"; "optimizer.nesterov=no" ]

              Expect.isFalse (training.Plan.Optimizer.Settings.IsSet "nesterov") "nesterov"
          }
          test "a whole setting is replaced" {
              let training = changed [ "optimizer=adam lr=1e-3" ]
              Expect.equal (training.Plan.Optimizer.Definition.Name, learningRate training) ("adam", 1e-3) "optimizer"
          }
          test "the last one said wins" {
              Expect.equal (changed [ "batch=64"; "batch=128" ]).Plan.Batch 128 "batch"
              Expect.equal (learningRate (changed [ "optimizer.lr=0.1"; "optimizer.lr=0.2" ])) 0.2 "lr"
          }
          test "the canonical script compiles to the same training" {
              let training = changed [ "optimizer.lr=0.1"; "batch=64" ]
              let again = Scripts.training training.Canonical []
              Expect.equal again.Value.Canonical training.Canonical "canonical"
              Expect.equal (learningRate again.Value) 0.1 "lr"
          }
          test "of statements that stand several times, none is changed in part, and all are replaced" {
              let text =
                  trainPart [ "data mnist"; "loss cross-entropy"; "loss mse"; "optimizer sgd" ]

              let refused = training text [ "loss.weight=2" ]
              Expect.stringContains refused.Text "has 'loss' several times" "in part"
              let replaced = training text [ "loss=mae weight=2" ]
              Expect.isFalse replaced.HasErrors replaced.Text
              let only = Seq.exactlyOne replaced.Value.Plan.Losses
              Expect.equal (only.Judge.Chosen.Definition.Name, only.Weight) ("mae", 2.0) "replaced"
          }
          test "what is wrong is shown as it was said, and where" {
              Expect.stringContains
                  (complaint [ "optimizer=sgd lr=abc" ])
                  "--set optimizer=sgd lr=abc: error: "
                  "without a line of a script that nobody has written"

              Expect.stringContains
                  (complaint [ "optimizer=sgd lr=abc" ])
                  "  | optimizer=sgd lr=abc\n  |                  ^^^"
                  "the caret stands under the word"

              Expect.stringContains
                  (complaint [ "optimizer.lr =  abc" ])
                  "  | optimizer.lr =  abc\n  |                 ^^^"
                  "with blanks around it"

              for change in [ "schedule.decay=3"; "optimizer.lr=("; "batch" ] do
                  Expect.stringContains
                      (complaint [ change ])
                      $"  | {change}\n  | {String('^', change.Length)}"
                      "all of it"
          }
          test "what is wrong with a part of what an option was given is shown within all of it" {
              let said = "b: batch=64; optimizer.lr=abc"

              let change (text: string) =
                  Change.Vary(said, said.IndexOf text, text)

              let result = trainingOf plain [ change "batch=64"; change "optimizer.lr=abc" ]

              Expect.equal
                  result.Text
                  $"--vary {said}: error: no number is called 'abc'\n  | {said}\n  |                           ^^^"
                  "the caret stands under the word"
          }
          test "what is wrong with a setting's own option is shown as that option was said" {
              let result = trainingOf plain [ Change.Own("epochs", "0") ]

              Expect.stringStarts
                  result.Text
                  "--epochs 0: error: 0 is too small"
                  "without the --set that nobody has said"

              Expect.stringContains result.Text "\n  | --epochs 0\n  |          ^" "the caret stands under the number"
          }
          test "a setting's own option counts like the setting" {
              let result = trainingOf plain [ Change.Set "epochs=3"; Change.Own("epochs", "5") ]
              Expect.equal result.Value.Plan.Epochs 5 result.Text
          }
          for change, words in
              [ "batch", [ "--set batch"; "sets nothing"; "NAME=VALUE" ]
                "=3", [ "sets nothing" ]
                "batch size=3", [ "sets nothing" ]
                "batch=", [ "'batch' takes one number" ]
                "batch=abc", [ "--set batch=abc"; "no number is called 'abc'" ]
                "batch=0", [ "0 is too small" ]
                "batch=1\nepochs 3", [ "is no value for 'batch'" ]
                "batch=1; epochs 3", [ "is no value for 'batch'" ]
                "bacth=3", [ "'bacth' is no setting"; "did you mean 'batch'" ]
                "optimizer.learning=3", [ "'sgd' has no setting 'learning'" ]
                "optimizer.lr=(", [ "is no value for 'optimizer'" ]
                "schedule.decay=3", [ "has no 'schedule' whose 'decay' could be set" ] ] do
              test $"'{change}' is refused" {
                  let text = complaint [ change ]

                  for word in words do
                      Expect.stringContains text word "message"
              } ]
