namespace CnnCluster.Tests.Trainer.Coordination.Simulation

open System
open System.Collections.Generic
open Google.Protobuf
open CnnCluster.Tests.Trainer.Coordination.Simulation.Schedules
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Protocol

/// What was committed, and what has left the cluster; each entry is checked as it is made.
type Ledger(schedule: Schedule, course: Undisturbed.Course, time: VirtualTime) =
    /// The generation all of whose members have applied a step.
    let committedBy = Dictionary<int64, Group>()
    let checkpoints = Dictionary<string, int64>()

    /// Where one process is killed and nothing else happens, a generation without it is formed within two seconds of the first word
    /// of it, and one under another coordinator within five of the home's end.
    let checkPromptness (regrouped: RunRegrouped) =
        match schedule.Faults with
        | [ _, Crash _ ] when not schedule.IsBusy && regrouped.Took.TotalSeconds >= 2.0 ->
            fail $"the others regroup within {regrouped.Took.TotalSeconds:F2} s"
        | [ at, HomeCrash ] when not schedule.AreTakeoversHard && time.Now >= at + 5.0 ->
            fail $"another coordinator leads behind {time.Now - at:F2} s"
        | _ -> ()

    /// What a home says that cannot write.
    static member NoRoom = "no space left"

    /// When all that the run was to begin with were there.
    member val Started: float option = None with get, set
    /// The last step that figures were told of.
    member val Published = 0L with get, set
    /// When a full disk last kept a state from being written.
    member val Refused = Double.NegativeInfinity with get, set
    /// For how long nodes were taking over that took long, or could not, with the choice of another each time; and until when.
    member val TakingOver = 0.0 with get, set
    member val TookOver = Double.NegativeInfinity with get, set
    /// The weights that the run has ended with.
    member val Final: uint64 option = None with get, set

    /// The first step that nobody can take, as its loss would be no number.
    member val Divergence = Int64.MaxValue with get, set

    /// A node takes over until then, and longer than most, or in vain: another is to be chosen meanwhile, or behind it.
    member ledger.NoteTakeover until =
        ledger.TakingOver <- ledger.TakingOver + (until - time.Now) + 3.0
        ledger.TookOver <- max ledger.TookOver until

    /// The state behind a step that may be taken.
    member _.StateAt step =
        if step >= int64 course.States.Length then
            fail $"step {step} is behind the run's end"

        course.States[int step]

    member _.LossOf epoch = course.LossOf epoch

    /// The last step of an epoch.
    member _.EndOf epoch = course.Decisions[epoch - 1].Step

    /// A worker takes a decision: the one that a run takes which is left alone, behind the same step.
    member _.Decide(node: Node, decision: EpochDecided) =
        if decision.Epoch > course.Decisions.Length then
            fail $"worker {node.Number} decides on epoch {decision.Epoch}, behind the run's end"

        let expected = course.Decisions[decision.Epoch - 1]

        if decision <> expected then
            fail $"worker {node.Number} has the decision {decision}, and it should be {expected}"

    /// The best weights behind a step have come, as a checkpoint of it or by themselves.
    member _.HasBest step =
        checkpoints.ContainsKey(StateNames.Checkpoint(step, true))
        || match checkpoints.TryGetValue StateNames.Best with
           | true, at -> at >= step
           | _ -> false

    /// The step of a checkpoint that has come.
    member _.StepOf name = checkpoints[name]

    /// A step is committed once, by one generation.
    member _.Commit(node: Node, group: Group, step: int64) =
        match committedBy.TryGetValue step with
        | true, other when other <> group ->
            fail $"worker {node.Number} applies step {step}, which another generation has committed"
        | _ -> ()

        let applied = group.AppliedBy step
        applied.Add node.Number |> ignore

        if applied.Count = group.Form.Members.Count then
            committedBy[step] <- group

    /// A state has come to the home.
    member ledger.Keep(request: DeliverState, step, state) =
        if
            request.Content = StateContent.Checkpoint
            && request.Name <> StateNames.Final
            && ledger.StateAt step <> state
        then
            fail $"checkpoint {request.Name} has the state of other steps"

        checkpoints[request.Name] <- step

        if request.Name = StateNames.Final then ledger.Final <- Some state

    /// What a run's readers are told.
    member ledger.Read(event: IRunEvent) =
        match event with
        | :? RunRegrouped as regrouped ->
            time.Say(fun () ->
                $"generation {regrouped.Generation} of {regrouped.Workers.Count} from step {regrouped.Step}: {regrouped.Reason}")

            if regrouped.LostSteps > 0L then
                fail $"{regrouped.LostSteps} committed steps are lost"

            checkPromptness regrouped
        | :? EpochEnded as ended ->
            time.Say(fun () -> $"epoch {ended.Metrics.Epoch} ends at step {ended.Metrics.Step}")

            if ended.Metrics.Step <> ledger.EndOf ended.Metrics.Epoch then
                fail $"epoch {ended.Metrics.Epoch} ends at step {ended.Metrics.Step}"

            ledger.Published <- max ledger.Published ended.Metrics.Step
        | :? RunStarted ->
            ledger.Started <- Some time.Now
            time.Say(fun () -> "starts")
        | :? RunWaiting as waiting -> time.Say(fun () -> $"waits: {waiting.Reason}")
        | _ -> ()

    /// What the coordinator that the workers follow says.
    member ledger.Check(message: IMessage) =
        match message with
        | :? FormGeneration as form when form.Position.Step < ledger.Published ->
            fail
                $"generation {form.Generation} forms at step {form.Position.Step}, and {ledger.Published} was published"
        | :? Expelled as expelled when expelled.Reason.Contains Ledger.NoRoom ->
            fail "a worker is given up for the home's full disk"
        | _ -> ()
