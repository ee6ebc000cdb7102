module CnnCluster.Tests.Trainer.Comparison.VariantTextTests

open Expecto
open CnnCluster.Trainer
open CnnCluster.Trainer.Comparison

let private read text =
    let said = VariantText.Parse text
    said.Name, Option.ofObj said.Train, [ for change in said.Changes -> change.Text ]

let private cases =
    [ "optimizer=sgd lr=0.01", ("optimizer=sgd lr=0.01", None, [ "optimizer=sgd lr=0.01" ])
      "none:", ("none", None, [])
      " L2 :  train=LeNetL2 ", ("L2", Some "LeNetL2", [])
      "big: batch=256;optimizer.lr=0.1;", ("big", None, [ "batch=256"; "optimizer.lr=0.1" ])
      "L2: train=other.cnn:L2; batch=64", ("L2", Some "other.cnn:L2", [ "batch=64" ])
      "train=other.cnn:L2", ("train=other.cnn:L2", Some "other.cnn:L2", [])
      "a matrix: loss=x [1 2; 3 4]; batch=8", ("a matrix", None, [ "loss=x [1 2; 3 4]"; "batch=8" ])
      "quoted: data=\"a;b\"", ("quoted", None, [ "data=\"a;b\"" ]) ]

let private wrong =
    [ "", "says nothing"
      " ; ", "says nothing"
      ": batch=3", "says nothing"
      "seed=3", "the same for all variants"
      "x: batch=3; seed = 4", "the same for all variants"
      "train=A; train=B", "2 train parts" ]

[<Tests>]
let tests =
    testList
        "Comparison.VariantText"
        [ for text, expected in cases do
              test $"'{text}' is a name, a train part and settings" { Expect.equal (read text) expected "parts" }
          test "each setting knows where it stands in what was said" {
              for text, _ in cases do
                  for change in (VariantText.Parse text).Changes do
                      Expect.equal (text.Substring(change.At, change.Text.Length)) change.Text text
                      Expect.equal (change.Option, change.Said) (Some "--vary", text) "all of it"
          }
          for text, message in wrong do
              test $"'{text}' is refused" {
                  let failure =
                      Expect.throwsC (fun () -> VariantText.Parse text |> ignore) (fun e -> e :?> UserException)

                  Expect.stringContains failure.Message message "what it says"
              } ]
