module CnnCluster.Tests.Trainer.Coordination.EarlyStoppingRuleTests

open System
open Expecto
open CnnCluster.Trainer.Coordination

let private patient patience =
    EarlyStoppingSettings(
        Higher = false,
        Patience = patience,
        MinDelta = 0.0,
        Baseline = Nullable(),
        StartFromEpoch = 0
    )

/// The decisions on a whole sequence of values, epoch by epoch.
let private decide settings values =
    let step (state, decisions) (index, value) =
        let decision = EarlyStoppingRule.Decide(settings, state, index + 1, value)
        decision.State, decision :: decisions

    values
    |> List.indexed
    |> List.fold step (EarlyStoppingRule.Initial, [])
    |> snd
    |> List.rev

let private stops settings values =
    decide settings values |> List.map _.Stop

[<Tests>]
let tests =
    testList
        "Trainer.Coordination.EarlyStoppingRule"
        [ test "stops after as many epochs without improvement as its patience" {
              Expect.equal
                  (stops (patient 3) [ 1.0; 0.5; 0.6; 0.7; 0.8 ])
                  [ false; false; false; false; true ]
                  "three worse epochs after the best"
          }
          test "an improvement winds the patience up again" {
              Expect.equal
                  (stops (patient 2) [ 1.0; 1.1; 0.9; 1.0; 1.0 ])
                  [ false; false; false; false; true ]
                  "the third epoch is better"
          }
          test "remembers the best epoch and its value" {
              let last = decide (patient 5) [ 1.0; 0.4; 0.6 ] |> List.last
              Expect.equal (last.State.BestEpoch, last.State.Best) (2, 0.4) "epoch 2 was best"
          }
          test "keeps exactly the epochs that improve" {
              Expect.equal
                  (decide (patient 9) [ 1.0; 1.0; 0.5; 0.7; 0.4 ] |> List.map _.KeepAsBest)
                  [ true; false; true; false; true ]
                  "an equal value is no improvement"
          }
          test "a NaN is never an improvement" {
              let decisions = decide (patient 2) [ nan; 1.0; nan; nan ]
              Expect.equal (decisions |> List.map _.KeepAsBest) [ false; true; false; false ] "only the number counts"
              Expect.isTrue (List.last decisions).Stop "two NaNs in a row use the patience up"
          }
          test "a change below min-delta is no improvement" {
              let settings =
                  EarlyStoppingSettings(
                      Higher = false,
                      Patience = 2,
                      MinDelta = 0.1,
                      Baseline = Nullable(),
                      StartFromEpoch = 0
                  )

              Expect.equal (stops settings [ 1.0; 0.95; 0.91 ]) [ false; false; true ] "each is less than 0.1 better"
          }
          test "higher is better for an accuracy" {
              let settings =
                  EarlyStoppingSettings(
                      Higher = true,
                      Patience = 1,
                      MinDelta = 0.0,
                      Baseline = Nullable(),
                      StartFromEpoch = 0
                  )

              Expect.equal (stops settings [ 0.5; 0.6; 0.6 ]) [ false; false; true ] "the third does not rise"
          }
          test "improvements short of the baseline do not reset the patience" {
              let settings =
                  EarlyStoppingSettings(
                      Higher = false,
                      Patience = 3,
                      MinDelta = 0.0,
                      Baseline = Nullable 0.5,
                      StartFromEpoch = 0
                  )

              Expect.equal (stops settings [ 1.0; 0.9; 0.8; 0.7 ]) [ false; false; false; false ] "it still improves"
              Expect.equal (stops settings [ 1.0; 0.9; 0.8; 0.85 ]) [ false; false; false; true ] "never under 0.5"
              Expect.equal (stops settings [ 1.0; 0.9; 0.4; 0.3 ]) [ false; false; false; false ] "under it in time"
          }
          test "epochs before start-from-epoch are not watched" {
              let settings =
                  EarlyStoppingSettings(
                      Higher = false,
                      Patience = 1,
                      MinDelta = 0.0,
                      Baseline = Nullable(),
                      StartFromEpoch = 3
                  )

              let decisions = decide settings [ 0.1; 0.2; 0.3; 0.9; 1.0 ]
              Expect.equal (decisions |> List.map _.Stop) [ false; false; false; false; true ] "epoch 4 is the first"
              Expect.equal (List.last decisions).State.BestEpoch 4 "earlier epochs cannot be the best"
          }
          test "without a patience it never stops, and still finds the best" {
              let settings =
                  EarlyStoppingSettings(
                      Higher = false,
                      Patience = Nullable(),
                      MinDelta = 0.0,
                      Baseline = Nullable(),
                      StartFromEpoch = 0
                  )

              let decisions = decide settings [ 1.0; 2.0; 3.0; 0.5; 9.0 ]
              Expect.all decisions (fun d -> not d.Stop) "no stop"
              Expect.equal (List.last decisions).State.BestEpoch 4 "the best is known"
          } ]
