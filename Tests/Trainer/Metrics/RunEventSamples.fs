/// Events as a run of two workers tells them.
module CnnCluster.Tests.Trainer.Metrics.RunEventSamples

open System.Collections.Generic
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Protocol

let private workers =
    [| RosterEntry(0, "alpha", 4711, "cpu", 1, Threads = System.Nullable 4)
       RosterEntry(2, "beta", 4712, "cuda:0", 3) |]

/// A run whose gradients travel so.
let startedBy exchange wire =
    RunStarted(61706L, workers, 4, Travel = Travel(exchange, wire))

let started = startedBy Exchange.Tcp Wire.Unchanged

let regularizedMetrics epoch values losses =
    EpochMetrics(epoch, int64 epoch * 235L, Dictionary(dict values), Dictionary(dict losses), 1234.5, 0.001)

let metrics epoch values = regularizedMetrics epoch values []

let epochEnded keepAsBest metrics =
    EpochEnded(metrics, EarlyStoppingDecision(keepAsBest, false, EarlyStoppingState()))

/// Of an epoch of ten steps, by the number of the worker, its own work and its time in collectives.
let times (told: (int * float * float) list) =
    WorkerTimes.Of
        [ for slot, computing, reducing in told ->
              struct (RosterEntry(slot, "alpha", 4711 + slot, "cpu", 1),
                      StepTimes(Steps = 10L, ComputingSeconds = computing, ReducingSeconds = reducing)) ]

let epochWithTimes metrics told =
    EpochEnded(metrics, EarlyStoppingDecision(false, false, EarlyStoppingState()), Workers = times told)

let usualValues =
    [ "train_loss", 0.5; "train_accuracy", 0.75; "val_loss", 0.25; "val_accuracy", 0.875 ]

let outcome reason message =
    RunOutcome(
        reason,
        message,
        470L,
        EarlyStoppingState(Best = 0.25, BestEpoch = 2),
        metrics 2 usualValues,
        "ab12",
        "best-step-00000470"
    )
