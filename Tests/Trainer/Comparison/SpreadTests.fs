module CnnCluster.Tests.Trainer.Comparison.SpreadTests

open System
open Expecto
open CnnCluster.Trainer.Comparison

[<Tests>]
let tests =
    testList
        "Comparison.Spread"
        [ test "mean, deviation over n − 1, least and greatest" {
              let spread = Spread.Of [| 2.0; 4.0; 9.0 |]
              Expect.equal (spread.Count, spread.Mean, spread.Minimum, spread.Maximum) (3, 5.0, 2.0, 9.0) "closed form"
              // (9 + 1 + 16) / 2
              Expect.floatClose Accuracy.veryHigh spread.Deviation (sqrt 13.0) "deviation"
          }
          test "one value has no deviation, and none has no spread" {
              Expect.isTrue (Double.IsNaN (Spread.Of [| 3.0 |]).Deviation) "one"
              Expect.isNull (Spread.Of [||]) "none"
          } ]
