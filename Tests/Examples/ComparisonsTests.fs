/// The comparisons of the folder `examples/comparisons` are without mistakes, and on equal terms.
module CnnCluster.Tests.Examples.ComparisonsTests

open System.IO
open System.Text.RegularExpressions
open Expecto
open CnnCluster.Dsl
open CnnCluster.Tests
open CnnCluster.Trainer.Comparison
open CnnCluster.Trainer.Training

let private path name =
    Repository.file $"examples/comparisons/{name}"

/// The variants of a command, as the shell hands them to `cnn compare`.
let private variants name =
    [ for m in Regex.Matches(File.ReadAllText(path $"{name}.sh"), "--vary \"([^\"]*)\"") -> m.Groups[1].Value ]

let private reading name =
    let text = File.ReadAllText(path $"{name}.cnn")

    let read (train: string) changes =
        Script.Training({ File = $"{name}.cnn"; Text = text }, train, changes, TrainingCatalogues.All)

    VariantReading.Of(variants name, [], TrainReader read)

let private comparisons =
    [ "optimizers", [ "SGD"; "momentum"; "Nesterov"; "Adagrad"; "Adadelta"; "RMSprop"; "Adam"; "Nadam" ]
      "regularization", [ "none"; "L1"; "L2"; "dropout"; "batch norm"; "early stopping" ] ]

[<Tests>]
let tests =
    testList
        "Examples.comparisons"
        [ for name, names in comparisons do
              test $"{name}: the variants are right, and the script is canonical" {
                  let read = reading name
                  Expect.equal (List.ofSeq read.Messages) [] "nothing to complain of"
                  Expect.equal [ for v in read.Variants -> v.Name ] names "variants"

                  let source =
                      { File = name
                        Text = File.ReadAllText(path $"{name}.cnn") }

                  Expect.equal
                      (List.ofSeq (Script.Check(source, TrainingCatalogues.All)).Diagnostics)
                      []
                      "every part of it"

                  Expect.equal (Formatter.Format source).Text source.Text "as cnn fmt would have it"
              }

              test $"{name}: what all variants have begins alike, and they are trained on the same samples" {
                  let plans = [ for v in (reading name).Variants -> v.WithSeed(42UL).Plan ]
                  let first = plans.Head

                  for plan in plans do
                      Expect.sequenceEqual plan.Data.Settings.Values first.Data.Settings.Values "data"
                      Expect.equal (plan.Batch, plan.Epochs) (first.Batch, first.Epochs) "batch and epochs"

                      let kernels (plan: TrainPlan) =
                          [ for w in plan.Network.Weights do
                                if w.Name.EndsWith "/kernel" then w.Name, List.ofSeq w.Shape ]

                      Expect.equal (kernels plan) (kernels first) "kernels of the same names and shapes"
              }

              test $"{name}: the command is one that its user may run" {
                  let mode = File.GetUnixFileMode(path $"{name}.sh")
                  Expect.isTrue (mode.HasFlag UnixFileMode.UserExecute) "executable"
              } ]
