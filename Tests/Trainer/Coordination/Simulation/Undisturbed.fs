/// What a run comes to that is left alone.
module CnnCluster.Tests.Trainer.Coordination.Simulation.Undisturbed

open System
open CnnCluster.Tests.Trainer.Coordination.Simulation.Schedules

/// The state behind a step: a pure function of the steps taken, as in exact mode, and spoilt by any step that is left out.
let next (state: uint64) (step: int64) =
    (state ^^^ uint64 step) * 0x9E3779B97F4A7C15UL + 0x7F4A7C15UL

let stateAt step = Seq.fold next 1UL (seq { 1L .. step })

/// The validation loss of an epoch.
let lossOf seed epoch =
    Random(seed * 7919 + epoch).NextDouble()

/// As a worker's hash shows a state.
let hash (state: uint64) = state.ToString "x16"

/// The weights in the end: the best ones.
let final schedule =
    let best = seq { 1 .. schedule.Epochs } |> Seq.minBy (lossOf schedule.Seed)
    stateAt (int64 best * schedule.StepsPerEpoch)
