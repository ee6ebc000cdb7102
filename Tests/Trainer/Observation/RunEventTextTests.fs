/// What the process log says of a run's epochs.
module CnnCluster.Tests.Trainer.Observation.RunEventTextTests

open System.Collections.Generic
open Expecto
open CnnCluster.Tests.Trainer.Metrics.RunEventSamples
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Observation

let private said (metrics: EpochMetrics) =
    let struct (_, message) = (RunEventText.Of(epochEnded false metrics)).Value
    message

[<Tests>]
let tests =
    testList
        "Trainer.Observation.RunEventText"
        [ test
              "an epoch has its losses, each regularized weight's by its name and their sum, and the steps that were skipped" {
              let regularized =
                  regularizedMetrics 2 usualValues [ "conv1/kernel", 0.25; "dense1/bias", 0.5 ]

              let skipping =
                  EpochMetrics(2, 470L, Dictionary(dict usualValues), Dictionary(), 1234.5, 0.001, SkippedSteps = 3L)

              Expect.equal
                  [ said (metrics 2 usualValues); said regularized; said skipping ]
                  [ for further in
                        [ ""; ", regularization_loss 0.75 (conv1/kernel 0.25, dense1/bias 0.5)"; ", skipped_steps 3" ] ->
                        "epoch 2 ends at step 470: train_loss 0.5, val_loss 0.25" + further ]
                  "what it says"
          } ]
