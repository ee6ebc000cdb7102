module CnnCluster.Tests.Trainer.Comparison.VariantReadingTests

open System
open Expecto
open CnnCluster.Tests.Trainer.Comparison.Comparisons

[<Tests>]
let tests =
    testList
        "Comparison.VariantReading"
        [ test "all that is wrong with the variants is said at once" {
              let read =
                  reading [ "optimizer=sdg"; "x: batch=0"; "x: batch=3"; "seed=4"; "train=Plan"; "fine: batch=8" ] []

              Expect.isTrue read.HasErrors "wrong"
              let said = String.Join('\n', read.Messages)

              for part in
                  [ "did you mean 'sgd'"
                    "at least 1"
                    "called 'x'"
                    "the same for all variants"
                    "did you mean 'Plain'" ] do
                  Expect.stringContains said part "a message"
          }
          test "without any variant there is nothing to compare" {
              let read = reading [] []
              Expect.isTrue read.HasErrors "wrong"
              Expect.stringContains read.Messages[0] "--vary" "what to say"
          } ]
