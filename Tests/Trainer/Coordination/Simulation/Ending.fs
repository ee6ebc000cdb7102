namespace CnnCluster.Tests.Trainer.Coordination.Simulation

open CnnCluster.Tests.Trainer.Coordination.Simulation.Schedules
open CnnCluster.Trainer.Coordination

/// How a run may end, and with what.
type Ending(run: Run, actors: Actors) =
    let schedule, ledger = run.Schedule, run.Ledger
    let lastFault = endOfFaults schedule
    let expected = Undisturbed.hash (Undisturbed.final schedule)

    let outcomes () =
        actors.Leads |> Seq.choose (fun lead -> Option.ofObj lead.Outcome) |> List.ofSeq

    let isDone (outcome: RunOutcome) = outcome.Reason = StopReason.Epochs

    /// Workers that could take part.
    let present () =
        run.Nodes
        |> Seq.filter (fun node -> node.IsAlive && not node.IsPaused && not (run.Network.IsCut node.Number))
        |> Seq.length

    /// Reasons for which a run may end before its epochs are done.
    let isExcused (message: string) =
        message.Contains "No worker is left"
        || message.Contains "workers are left on this side"
        || message.Contains "workers were there within" && present () < schedule.MinWorkers
        || message.Contains "were ready within" && present () < schedule.Workers
        || message.Contains "was lost" && ledger.Published = 0L
        || message.Contains "at step 0"

    let endOf outcome =
        actors.Leads
        |> Seq.filter (fun lead -> lead.Outcome = outcome)
        |> Seq.map _.Ended
        |> Seq.min

    /// A run that ends early, with workers that stand, has kept their state.
    let checkSaved (outcome: RunOutcome) =
        match Option.ofObj outcome.Checkpoint with
        | _ when outcome.Message.Contains "No worker is left" -> ()
        | _ when outcome.Message.Contains "could not be saved" ->
            if endOf outcome > lastFault + 40.0 then fail outcome.Message
        | Some name when ledger.StepOf name = outcome.Step -> ()
        | _ when outcome.Step = 0L -> ()
        | name -> fail $"the run ends at step {outcome.Step} with {name}: {outcome.Message}"

    /// The run outlives its home where a majority of the workers is there.
    let mustOutliveHome () =
        schedule.AreRemote
        && ledger.IsStarted
        && schedule.MinWorkers = 1
        && schedule.Faults
           |> List.forall (fun (_, fault) -> isOfHome fault || fault = Join)

    let checkDone (outcome: RunOutcome) =
        if outcome.WeightsHash <> expected then
            fail $"the run ends with {outcome.WeightsHash}, and undisturbed with {expected}"

        match Option.map Undisturbed.hash ledger.Final with
        | Some state when state = expected -> ()
        | state -> fail $"the last state is {state}, and should be {expected}"

    let checkFailed (outcome: RunOutcome) =
        let isHomeTouched = List.exists (snd >> isOfHome) schedule.Faults

        if
            schedule.Faults.IsEmpty
            || not (isExcused outcome.Message || (schedule.AreRemote && isHomeTouched))
        then
            fail $"the run ends: {outcome.Reason} {outcome.Message}"

        if
            outcome.Message.Contains "workers are left on this side"
            || outcome.Message.Contains "there within"
        then
            checkSaved outcome

    let checkEarlyEnd (outcome: RunOutcome) =
        let isAsked = List.exists (fun (_, fault) -> fault = Interrupt) schedule.Faults

        if outcome.Reason = StopReason.Interrupted && isAsked then
            checkSaved outcome
        else
            checkFailed outcome

    /// Nobody is left who could go on.
    member _.HasCome() =
        List.exists isDone (outcomes ())
        || not (Seq.exists actors.IsAlive actors.Leads)
           && (not schedule.AreRemote || run.Nodes |> Seq.forall (fun node -> not node.IsAlive))

    member _.Check() =
        match List.filter isDone (outcomes ()) with
        | [] when mustOutliveHome () -> fail "the run has not outlived its home"
        | [] -> List.iter checkEarlyEnd (outcomes ())
        | ends -> List.iter checkDone ends
