/// What a run comes to that is left alone.
module CnnCluster.Tests.Trainer.Coordination.Simulation.Undisturbed

open System
open System.Collections.Generic
open CnnCluster.Tests.Trainer.Coordination.Simulation.Schedules
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Protocol

/// The state behind a step: a pure function of the steps taken and of the rates that they were taken with, as in exact mode,
/// and spoilt by any step that is left out.
let next (state: uint64) (step: int64) (reductions: int) =
    (state ^^^ uint64 step ^^^ (uint64 reductions <<< 32)) * 0x9E3779B97F4A7C15UL
    + 0x7F4A7C15UL

/// The validation loss of an epoch: of so few digits that its mean over workers is exact.
let private drawLoss seed epoch =
    float (Random(seed * 7919 + epoch).Next 1_000_000) / 1024.0

/// As a worker's hash shows a state.
let hash (state: uint64) = state.ToString "x16"

let earlyOf schedule =
    EarlyStoppingSettings(
        Higher = false,
        Patience = Nullable schedule.Patience,
        MinDelta = 0.0,
        Baseline = Nullable(),
        StartFromEpoch = 0
    )

/// The rule that reduces the learning rate, where the schedule has one.
let plateauOf schedule =
    match schedule.PlateauPatience with
    | None -> null
    | Some patience ->
        PlateauSettings(
            Monitor = "val_loss",
            Higher = false,
            Patience = patience,
            MinDelta = 0.0,
            Cooldown = 0,
            Rate = 1.0,
            Factor = 0.5,
            LeastRate = 0.1
        )

/// A run from its first step to its last.
type Course =
    {
        /// The validation loss of an epoch, whenever it is reached.
        LossOf: int -> float
        /// Behind each step, from 0.
        States: uint64[]
        /// On each epoch, from the first.
        Decisions: EpochDecided list
        Reason: StopReason
        /// The weights in the end.
        Final: uint64
    }

let private decide schedule loss epoch step (before: EpochDecided) =
    let early =
        EarlyStoppingRule.Decide(earlyOf schedule, before.EarlyStopping, epoch, loss)

    let plateau =
        match plateauOf schedule with
        | null -> before.Plateau
        | settings -> PlateauRule.Decide(settings, before.Plateau, loss)

    let decided =
        EpochDecided(
            Epoch = epoch,
            Step = step,
            KeepAsBest = early.KeepAsBest,
            EarlyStopping = early.Behind step,
            Plateau = plateau
        )

    decided, early.Stop

/// Why a run ends behind an epoch; nothing where it goes on.
let private endOf schedule (decided: EpochDecided) isOutOfPatience =
    if isOutOfPatience then Some StopReason.EarlyStop
    elif decided.Step = schedule.StepLimit then Some StopReason.Steps
    elif decided.Epoch = schedule.Epochs then Some StopReason.Epochs
    else None

let private lastStepOf schedule epoch =
    let last = int64 epoch * schedule.StepsPerEpoch

    if schedule.StepLimit > 0L then min last schedule.StepLimit else last

let courseOf schedule =
    let losses = Dictionary<int, float>()

    let lossOf epoch =
        match losses.TryGetValue epoch with
        | true, loss -> loss
        | _ ->
            let loss = drawLoss schedule.Seed epoch
            losses[epoch] <- loss
            loss

    let states = ResizeArray [ 1UL ]

    let train (before: EpochDecided) step =
        for step in int64 states.Count .. step do
            states.Add(next states[states.Count - 1] step before.Plateau.Reductions)

    let rec follow epoch (before: EpochDecided) decisions =
        let step = lastStepOf schedule epoch
        train before step
        let decided, isOutOfPatience = decide schedule (lossOf epoch) epoch step before
        let decisions = decided :: decisions

        match endOf schedule decided isOutOfPatience with
        | Some reason -> reason, List.rev decisions
        | None -> follow (epoch + 1) decided decisions

    let reason, decisions =
        follow 1 (EpochDecided(EarlyStopping = EarlyStoppingState(), Plateau = PlateauState())) []

    let isFinal (decided: EpochDecided) =
        not schedule.RestoresBest || decided.KeepAsBest

    { LossOf = lossOf
      States = states.ToArray()
      Decisions = decisions
      Reason = reason
      Final = states[int (List.findBack isFinal decisions).Step] }
