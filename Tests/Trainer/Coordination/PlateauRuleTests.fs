module CnnCluster.Tests.Trainer.Coordination.PlateauRuleTests

open Expecto
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Protocol

type private Given =
    /// Halves a rate of 0.1; what is left out makes no difference.
    static member Settings(?patience, ?minDelta, ?cooldown, ?leastRate, ?higher) =
        PlateauSettings(
            Monitor = "val_loss",
            Higher = defaultArg higher false,
            Patience = defaultArg patience 2,
            MinDelta = defaultArg minDelta 0.0,
            Cooldown = defaultArg cooldown 0,
            Rate = 0.1,
            Factor = 0.5,
            LeastRate = defaultArg leastRate 0.0
        )

let private settings = Given.Settings()

/// What is remembered after each value.
let private states (settings: PlateauSettings) values =
    List.scan (fun state value -> PlateauRule.Decide(settings, state, value)) PlateauRule.Initial values
    |> List.tail

let private reductions settings values =
    states settings values |> List.map _.Reductions

/// Keras 3's callback in its own order, with the rate itself as its state.
let private keras (settings: PlateauSettings) values =
    let mutable best, wait, cooldown, rate = infinity, 0, 0, settings.Rate

    [ for value in values do
          if cooldown > 0 then
              cooldown <- cooldown - 1
              wait <- 0

          if value < best - settings.MinDelta then
              best <- value
              wait <- 0
          elif cooldown = 0 then
              wait <- wait + 1

              if wait >= settings.Patience && rate > settings.LeastRate then
                  rate <- max (rate * settings.Factor) settings.LeastRate
                  cooldown <- settings.Cooldown
                  wait <- 0

          rate ]

let private rateAt (settings: PlateauSettings) reductions =
    max (settings.Rate * settings.Factor ** float reductions) (min settings.Rate settings.LeastRate)

[<Tests>]
let tests =
    testList
        "Trainer.Coordination.PlateauRule"
        [ test "reduces after as many epochs without improvement as its patience, again and again" {
              Expect.equal
                  (reductions settings [ 1.0; 1.0; 1.0; 1.0; 1.0; 0.5; 0.5; 0.5 ])
                  [ 0; 0; 1; 1; 2; 2; 2; 3 ]
                  "two epochs each"
          }
          test "a change that is not greater than min-delta is no improvement" {
              let demanding = Given.Settings(minDelta = 0.25)

              Expect.equal
                  (states demanding [ 1.0; 0.75; 0.7 ] |> List.map _.EpochsWithoutImprovement)
                  [ 0; 1; 0 ]
                  "0.25 is not enough, 0.3 is"
          }
          test "epochs of the cooldown do not count, and the best value counts in them too" {
              let cooling = Given.Settings(patience = 1, cooldown = 2)

              Expect.equal
                  (states cooling [ 1.0; 2.0; 0.5; 0.6; 0.7 ]
                   |> List.map (fun s -> s.Reductions, s.Cooldown, s.Best))
                  [ 0, 0, 1.0; 1, 2, 1.0; 1, 1, 0.5; 2, 2, 0.5; 2, 1, 0.5 ]
                  "the last epoch of a cooldown counts again"
          }
          test "higher is better where it is said" {
              let higher = Given.Settings(higher = true, patience = 1)
              Expect.equal (reductions higher [ 0.1; 0.2; 0.2; 0.1; 0.9 ]) [ 0; 0; 1; 2; 2 ] "accuracy"
          }
          test "what is not a number, or is as bad as can be, never improves" {
              let once = Given.Settings(patience = 1)
              Expect.equal (reductions once [ nan; infinity; 1.0; nan ]) [ 1; 2; 2; 3 ] "three epochs"
          }
          test "a rate that is not above the least is not reduced" {
              let bounded = Given.Settings(patience = 1, leastRate = 0.03)
              Expect.equal (reductions bounded [ 1.0; 1.0; 1.0; 1.0 ]) [ 0; 1; 2; 2 ] "0.05, then 0.03"
          }
          test "whatever the values, the rate is that of Keras' callback" {
              let random = System.Random 7

              for _ in 1..300 do
                  let settings =
                      Given.Settings(
                          patience = random.Next 4,
                          cooldown = random.Next 4,
                          minDelta = float (random.Next 3) * 0.05,
                          leastRate = float (random.Next 2) * 0.004
                      )

                  let values =
                      [ for _ in 1..40 ->
                            match random.Next 12 with
                            | 0 -> nan
                            | 1 -> infinity
                            | _ -> float (random.Next 30) / 10.0 ]

                  for own, keras in List.zip (reductions settings values) (keras settings values) do
                      Expect.floatClose { absolute = 0.0; relative = 1e-12 } (rateAt settings own) keras $"{settings}"
          }
          test "the state it was given is left as it is" {
              let before = PlateauState(HasBest = true, Best = 1.0, EpochsWithoutImprovement = 1)
              let kept = before.Clone()
              PlateauRule.Decide(settings, before, 2.0) |> ignore
              Expect.equal before kept "a pure function"
          } ]
