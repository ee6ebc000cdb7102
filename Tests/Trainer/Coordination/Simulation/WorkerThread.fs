namespace CnnCluster.Tests.Trainer.Coordination.Simulation

open Google.Protobuf
open CnnCluster.Tests.Trainer.Coordination.Simulation.Schedules
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Protocol

/// A worker's own thread: does what its side of the protocol orders, as `Worker` does.
type WorkerThread(run: Run, node: Node) =
    let time, schedule, sabotage = run.Time, run.Schedule, run.Sabotage
    let orders = Orders(run, node)
    let failed = orders.Fails FailureKind.Peer

    let sums epoch =
        EpochSums(Samples = 1L, Loss = run.Ledger.LossOf epoch)

    // ---- Decisions ----

    let take (decision: EpochDecided) =
        run.Ledger.Decide(node, decision)
        time.Say(fun () -> $"worker {node.Number} has the decision on epoch {decision.Epoch}")
        node.Position.DecidedEpoch <- decision.Epoch
        node.Position.EarlyStopping <- decision.EarlyStopping
        node.Position.Plateau <- decision.Plateau

        if decision.KeepAsBest && schedule.RestoresBest then
            node.Best <- Some node.State

    let decide (decision: EpochDecided | null) =
        match decision with
        | null -> ()
        | decision ->
            if
                decision.Epoch > node.Position.DecidedEpoch
                && decision.Step = node.Position.Step
            then
                take decision

    // ---- A generation ----

    let ready (form: FormGeneration) =
        orders.Answer(WorkerReady(Generation = form.Generation, Position = node.Position.Clone()))

    let memberOf slot =
        run.Nodes |> Seq.tryFindBack (fun n -> n.IsAlive && n.Slot = slot)

    let copy (form: FormGeneration) (source: Node) =
        if sabotage <> Sabotage.NoCopy || node = source then
            node.State <- source.State

        node.Best <- source.Best
        node.Position <- form.Position.Clone()
        ready form

    let synchronise (form: FormGeneration) (group: Group) =
        let slot = form.Members[form.Source].Slot
        let source = memberOf slot

        // A large state takes its time, in which the coordinator may be lost; where one fault is all that happens the run's seconds count.
        let isLarge = run.Schedule.Faults.Length > 1 && run.Time.Between(0.0, 1.0) < 0.05
        let longest = if isLarge then 8.0 else 0.3

        orders.AfterAll
            (0.005, longest)
            (orders.UnlessGivenUp(fun () ->
                match group.Failure, source with
                | Some why, _ -> failed why
                | None, None -> failed ("the source is gone", slot)
                | None, Some source -> copy form source))

    let enter (form: FormGeneration) group =
        decide form.Decided
        node.StopRequested <- false
        if form.Synchronise then synchronise form group else ready form

    let connect form number =
        if number <= node.HaltedUpTo then
            failed ("halted", -1)
        else
            run.Collectives.Connect(node, form, enter form, failed)

    // ---- A step ----

    let trained epoch cause =
        orders.Answer(
            EpochTrained(
                Generation = node.Machine.Generation,
                Epoch = epoch,
                Step = node.Position.Step,
                Sums = sums epoch,
                Seconds = 1.0,
                Stop = cause
            )
        )

    let checkStep (group: Group) step =
        if group.Form.Generation < node.Machine.Generation then
            fail
                $"worker {node.Number} applies step {step} of generation {group.Form.Generation} in {node.Machine.Generation}"

        if (group.EnteredBy step).Count < group.Form.Members.Count then
            fail $"worker {node.Number} applies step {step} without all that take part in it"

    let update step =
        node.Position.Step <- step
        node.Position.StepInEpoch <- node.Position.StepInEpoch + 1L

        let taken = if sabotage = Sabotage.OtherSum && node.Number = 1 then -step else step

        let reductions =
            if sabotage = Sabotage.OldRate then 0 else node.Position.Plateau.Reductions

        node.State <- Undisturbed.next node.State taken reductions

        if node.State <> run.Ledger.StateAt step then
            fail $"worker {node.Number} has the state of other steps at step {step}"

    let hasReachedLimit () =
        schedule.StepLimit > 0L && node.Position.Step >= schedule.StepLimit

    let rec trainStep epoch =
        if node.Position.Epoch <> epoch then
            node.Position.Epoch <- epoch
            node.Position.StepInEpoch <- 0L

        if hasReachedLimit () && sabotage <> Sabotage.LateLimit then
            trained epoch StopCause.StepLimit
        elif node.Position.StepInEpoch >= schedule.StepsPerEpoch then
            trained epoch StopCause.NotStopped
        else
            node.Activity <- Activity.Computing
            orders.AfterAll (0.005, 0.03) (orders.UnlessGivenUp(fun () -> orders.Attempt(fun () -> reduce epoch)))

    and reduce epoch =
        let group = nonNull node.Group
        let step = node.Position.Step + 1L

        match group.Failure with
        | Some why -> failed why
        | None ->
            node.Activity <- Activity.Reducing
            run.Collectives.Reduce(node, group, step, (fun () -> apply group epoch step), failed)

    and apply group epoch step =
        if step >= run.Ledger.Divergence then
            orders.Fails FailureKind.Run ("the loss diverged", -1)
        else
            checkStep group step
            time.Say(fun () -> $"worker {node.Number} applies step {step}")
            run.Ledger.Commit(node, group, step)
            update step

            if group.StopsBehind = Some step then trained epoch StopCause.StopRequested
            elif hasReachedLimit () then trained epoch StopCause.StepLimit
            else trainStep epoch

    // ---- Commands ----

    let validate (command: Validate) =
        let answered () =
            orders.Answer(Validated(Generation = command.Generation, Epoch = command.Epoch, Sums = sums command.Epoch))

        orders.AfterAll (0.02, 0.2 * schedule.Slowness) (fun () -> orders.Attempt answered)

    /// A process that is lost takes no state; a connection to one that is out of reach lasts.
    let isThere (lead: Lead) =
        lead.IsAlive && (lead.Host = Home || run.Nodes[lead.Host].IsAlive)

    let deliver (request: DeliverState) =
        decide request.Decided
        let step, state = node.Position.Step, defaultArg node.Restored node.State

        let delivered failure isRefused =
            node.Report(
                StateDelivered(Name = request.Name, Token = request.Token, Failure = failure, Refused = isRefused)
            )

        orders.After (0.01, 0.6 * schedule.Slowness) (fun () ->
            let lead = run.Leads[request.Receiver.Port]

            if not (isThere lead) then
                delivered "nobody is there" false
            elif not lead.HasRoom then
                run.Ledger.Refused <- time.Now
                delivered Ledger.NoRoom (sabotage <> Sabotage.BlamedSender)
            else
                run.Ledger.Keep(request, step, state)
                delivered "" false)

        orders.Finish()

    let conclude (command: Finish) =
        decide command.Decided

        if command.RestoreBest && node.Best.IsSome then
            node.Restored <- node.Best

        let final = defaultArg node.Restored node.State

        orders.AfterAll (0.001, 0.02) (fun () ->
            orders.Answer(WorkerFinished(Generation = command.Generation, WeightsSha256 = Undisturbed.hash final)))

    let rollBack () =
        node.Position.Step <- node.Position.Step - 1L
        node.State <- run.Ledger.StateAt node.Position.Step

    let stand (command: Halt) =
        node.Restored <- None

        if sabotage = Sabotage.Rollback && node.Position.Step > 0L then
            rollBack ()

        orders.Answer(WorkerHalted(Round = command.Round, HasState = node.IsPrepared, Position = node.Position.Clone()))

    member _.Order(command: IMessage) =
        let number = node.Ordered + 1

        match command with
        | :? FormGeneration as form -> orders.Add(fun () -> connect form number)
        | :? TrainEpoch as train ->
            orders.Add(fun () ->
                decide train.Decided
                trainStep train.Epoch)
        | :? Validate as command -> orders.Add(fun () -> validate command)
        | :? DeliverState as request -> orders.Add(fun () -> deliver request)
        | :? Finish as command -> orders.Add(fun () -> conclude command)
        | other -> fail $"{other}"

    /// Reads the data and builds a replica, where there is none.
    member _.Prepare slot =
        node.Slot <- slot
        let pause = if node.IsPrepared then 0.0 else time.Between(0.1, 1.0)

        orders.Add(fun () ->
            node.After(
                time,
                pause,
                (fun () ->
                    orders.Attempt(fun () ->
                        node.IsPrepared <- true

                        orders.Answer(
                            WorkerPrepared(
                                DataPlane = Endpoint(Host = "h", Port = 1),
                                Position = node.Position.Clone()
                            )
                        )))
            ))

    /// Fails what is under way in a collective, and answers from the thread.
    member _.Halt(command: Halt) =
        node.HaltedUpTo <- node.Ordered
        run.Collectives.Abort(node, command.Reason)
        orders.Add(fun () -> stand command)

    member _.Beat generation =
        Heartbeat(
            Generation = generation,
            Step = node.Position.Step,
            Epoch = node.Position.Epoch,
            Activity = node.Activity,
            StepSeconds = 0.02
        )
