namespace CnnCluster.Tests.Trainer.Coordination.Simulation

open System.Collections.Generic
open Google.Protobuf
open CnnCluster.Tests.Trainer.Coordination.Simulation.Schedules
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Protocol

/// What was committed, and what has left the cluster; each entry is checked as it is made.
type Ledger(schedule: Schedule, time: VirtualTime) =
    /// Who has applied a step within a generation, and the generation that all of whose members have.
    let appliers = Dictionary<struct (ByteString * int64), HashSet<int>>()
    let committedBy = Dictionary<int64, ByteString>()
    let checkpoints = Dictionary<string, int64>()

    member val IsStarted = false with get, set
    /// The last step that figures were told of.
    member val Published = 0L with get, set
    /// The weights that the run has ended with.
    member val Final: uint64 option = None with get, set

    /// The step of a checkpoint that has come.
    member _.StepOf name = checkpoints[name]

    /// A step is committed once, by one generation.
    member _.Commit(node: Node, group: Group, step: int64) =
        let token = group.Form.Token

        match committedBy.TryGetValue step with
        | true, other when other <> token ->
            fail $"worker {node.Number} applies step {step}, which another generation has committed"
        | _ -> ()

        let key = struct (token, step)

        if not (appliers.ContainsKey key) then appliers[key] <- HashSet<int>()

        appliers[key].Add node.Number |> ignore

        if appliers[key].Count = group.Form.Members.Count then
            committedBy[step] <- token

    /// A state has come to the home.
    member ledger.Keep(request: DeliverState, step, state) =
        let isOfStep = Undisturbed.stateAt step = state

        if
            request.Content = StateContent.Checkpoint
            && request.Name <> StateNames.Final
            && not isOfStep
        then
            fail $"checkpoint {request.Name} has the state of other steps"

        checkpoints[request.Name] <- step

        if request.Name = StateNames.Final then ledger.Final <- Some state

    /// What a run's readers are told.
    member ledger.Read(event: IRunEvent) =
        match event with
        | :? RunRegrouped as regrouped ->
            time.Say
                $"generation {regrouped.Generation} of {regrouped.Workers.Count} from step {regrouped.Step}: {regrouped.Reason}"

            if regrouped.LostSteps > 0L then
                fail $"{regrouped.LostSteps} committed steps are lost"
        | :? EpochEnded as ended ->
            time.Say $"epoch {ended.Metrics.Epoch} ends at step {ended.Metrics.Step}"

            if ended.Metrics.Step <> int64 ended.Metrics.Epoch * schedule.StepsPerEpoch then
                fail $"epoch {ended.Metrics.Epoch} ends at step {ended.Metrics.Step}"

            ledger.Published <- max ledger.Published ended.Metrics.Step
        | :? RunStarted ->
            ledger.IsStarted <- true
            time.Say "starts"
        | :? RunWaiting as waiting -> time.Say $"waits: {waiting.Reason}"
        | _ -> ()

    /// What the coordinator that the workers follow says.
    member ledger.Check(message: IMessage) =
        match message with
        | :? FormGeneration as form when form.Position.Step < ledger.Published ->
            fail
                $"generation {form.Generation} forms at step {form.Position.Step}, and {ledger.Published} was published"
        | _ -> ()
