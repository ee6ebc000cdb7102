namespace CnnCluster.Tests.Trainer.Coordination.Simulation

open CnnCluster.Tests.Trainer.Coordination.Simulation.Schedules
open CnnCluster.Trainer.Coordination

/// How a run may end, and with what.
type Ending(run: Run, course: Undisturbed.Course, actors: Actors) =
    let schedule, ledger = run.Schedule, run.Ledger

    /// When the last fault is over, and the last hard takeover.
    let lastFault () =
        max (endOfFaults schedule) ledger.TookOver

    let expected = Undisturbed.hash course.Final

    let outcomes () =
        actors.Leads |> Seq.choose (fun lead -> Option.ofObj lead.Outcome) |> List.ofSeq

    let isDone (outcome: RunOutcome) =
        outcome.Reason <> StopReason.Failed && outcome.Reason <> StopReason.Interrupted

    /// Workers that could take part.
    let present () =
        run.Nodes
        |> Seq.filter (fun node ->
            node.IsAlive
            && not node.IsPaused
            && node.HangsUntil <= run.Time.Now
            && not (run.Network.IsCut node.Place))
        |> Seq.length

    /// Reasons for which a run may end before its epochs are done.
    let isExcused (message: string) =
        message.Contains "No worker is left"
        || message.Contains "workers are left on this side"
        || message.Contains "workers were there within" && present () < schedule.MinWorkers
        || message.Contains "were ready within" && present () < schedule.Workers
        || message.Contains "was lost" && ledger.Published = 0L
        || message.Contains "at step 0"
        || message.Contains "it has thrown" && ledger.Started.IsNone
        || message.Contains "the loss diverged"

    let endOf outcome =
        actors.Leads
        |> Seq.filter (fun lead -> lead.Outcome = outcome)
        |> Seq.map _.Ended
        |> Seq.min

    let isAsked = List.exists (fun (_, fault) -> fault = Interrupt) schedule.Faults

    /// Until the end, or until the network and slow writers let it be known, there was no room for what the run was to end with.
    let isRefused (outcome: RunOutcome) =
        outcome.Message.Contains Ledger.NoRoom
        && endOf outcome < max ledger.Refused (lastFault ()) + 10.0

    /// All was done, or the user had asked to stop, and then there was no room.
    let isFull (outcome: RunOutcome) =
        isRefused outcome
        && (isAsked || outcome.Step = (List.last course.Decisions).Step)

    /// A run that ends early, with workers that stand, has kept their state.
    let checkSaved (outcome: RunOutcome) =
        match Option.ofObj outcome.Checkpoint with
        | _ when outcome.Message.Contains "No worker is left" -> ()
        | _ when isRefused outcome -> ()
        | _ when outcome.Message.Contains "could not be saved" ->
            if endOf outcome > lastFault () + 40.0 then fail outcome.Message
        | Some name when ledger.StepOf name = outcome.Step ->
            if
                schedule.RestoresBest
                && outcome.Best.BestEpoch > 0
                && not (ledger.HasBest course.Decisions[outcome.Best.BestEpoch - 1].Step)
            then
                fail $"the run ends, resumably, without its best weights of epoch {outcome.Best.BestEpoch}"
        | _ when outcome.Step = 0L -> ()
        | name -> fail $"the run ends at step {outcome.Step} with {name}: {outcome.Message}"

    /// The workers that a fault may take the run from; those that came later aside.
    let touched fault =
        match fault with
        | Partition(workers, true, _) -> List.except workers [ 0 .. schedule.Workers - 1 ]
        | Rumour _ -> []
        | fault -> List.filter ((<>) Home) (named fault)

    let isEnd fault =
        fault = Interrupt || fault = Diverge || isOfHome fault

    /// The home stays, and most of the workers were left alone from the run's beginning on.
    let isMajorityLeft started =
        let touched =
            schedule.Faults
            |> List.collect (fun (_, fault) -> touched fault)
            |> List.distinct

        2 * touched.Length < schedule.Workers
        && schedule.Faults
           |> List.forall (fun (time, fault) -> time > started && not (isEnd fault))

    /// The home is lost, and nothing else happens to the others, which are a majority.
    let isHomeAlone () =
        schedule.AreRemote
        && 2 * schedule.AtHome < schedule.Workers
        && schedule.Faults
           |> List.forall (fun (_, fault) -> isOfHome fault || fault = Join || isOfDisk fault)

    /// Most of the workers, however many come besides, live on without the home and are left alone; whatever happens to the home.
    let isMajorityOfNodesLeft started =
        let touched =
            List.init schedule.AtHome id
            @ List.collect (fun (_, fault) -> touched fault) schedule.Faults
            |> List.distinct
            |> List.filter (fun worker -> worker < schedule.Workers)

        let joining = schedule.Faults |> List.filter (fun (_, fault) -> fault = Join)

        schedule.AreRemote
        && 2 * (schedule.Workers - touched.Length) > schedule.Workers + joining.Length
        && schedule.Faults
           |> List.forall (fun (time, fault) -> time > started && fault <> Interrupt && fault <> Diverge)

    /// One of those that are left alone can lead, and none has ended for want of a coordinator before it does: they wait half a minute for
    /// one.
    let canBeLed () =
        let touched = List.collect (fun (_, fault) -> touched fault) schedule.Faults

        ledger.TakingOver < 20.0
        && run.Nodes
           |> Seq.exists (fun node ->
               node.Number >= schedule.AtHome
               && node.Number < schedule.Workers
               && not node.CannotLead
               && not (List.contains node.Number touched))

    /// A majority of the workers is there throughout.
    let mustGoOn () =
        schedule.MinWorkers = 1
        && (not schedule.AreTakeoversHard || canBeLed ())
        && match ledger.Started with
           | None -> false
           | Some started -> isHomeAlone () || isMajorityLeft started || isMajorityOfNodesLeft started

    let checkDone (outcome: RunOutcome) =
        if outcome.Reason <> course.Reason then
            fail $"the run ends with {outcome.Reason}, and undisturbed with {course.Reason}"

        if outcome.WeightsHash <> expected then
            fail $"the run ends with {outcome.WeightsHash}, and undisturbed with {expected}"

        match Option.map Undisturbed.hash ledger.Final with
        | Some state when state = expected -> ()
        | state -> fail $"the last state is {state}, and should be {expected}"

    let checkFailed (outcome: RunOutcome) =
        let isHomeTouched = List.exists (snd >> isOfHome) schedule.Faults

        // While a fault lasts, all that stand may be out of reach of the home.
        let isOutOfReach =
            outcome.Message.Contains "could not be saved" && endOf outcome <= lastFault ()

        if
            schedule.Faults.IsEmpty
            || not (
                isExcused outcome.Message
                || isOutOfReach
                || isFull outcome
                || (schedule.AreRemote && isHomeTouched)
            )
        then
            fail $"the run ends: {outcome.Reason} {outcome.Message}"

        if
            outcome.Message.Contains "workers are left on this side"
            || outcome.Message.Contains "there within"
            || outcome.Message.Contains "the loss diverged"
        then
            checkSaved outcome

    let checkEarlyEnd (outcome: RunOutcome) =
        if outcome.Reason = StopReason.Interrupted && isAsked then
            checkSaved outcome
        else
            checkFailed outcome

    /// Nobody is left who could go on.
    member _.HasCome() =
        // Asked behind each event.
        let mutable isWell = false
        let mutable isLed = false

        for lead in run.Leads do
            isWell <- isWell || Option.exists isDone (Option.ofObj lead.Outcome)
            isLed <- isLed || actors.IsAlive lead

        isWell
        || not isLed
           && (not schedule.AreRemote || run.Nodes.TrueForAll(fun node -> not node.IsAlive))

    member _.Check() =
        match List.filter isDone (outcomes ()) with
        | [] when mustGoOn () && not (List.exists isFull (outcomes ())) ->
            fail "a majority was there throughout, and the run has not gone on"
        | [] -> List.iter checkEarlyEnd (outcomes ())
        | ends -> List.iter checkDone ends
