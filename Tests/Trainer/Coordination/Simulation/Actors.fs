namespace CnnCluster.Tests.Trainer.Coordination.Simulation

open System
open System.Collections.Generic
open Google.Protobuf
open CnnCluster.Tests.Trainer.Coordination.Simulation.Schedules
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Protocol

/// Hosts the state machines, as the production's actors do: brings them what happens, and does what they want done.
type Actors(run: Run, settingsOf: bool -> int -> RunSettings) =
    let time, network, schedule = run.Time, run.Network, run.Schedule
    let threads = List<WorkerThread>()
    let leads = run.Leads
    let takeovers = Takeovers run
    let votes = Votes()
    /// What comes for the home while it is stopped.
    let homeDeferred = Queue<Lead * CoordinatorInput>()
    let mutable isHomePaused = false
    let mutable tokens = 0
    let settings = settingsOf true 0
    let coordinatorTick: CoordinatorInput = CoordinatorInput.Tick()
    let workerTick: WorkerInput = WorkerInput.Tick()

    let token () =
        tokens <- tokens + 1
        ByteString.CopyFrom(BitConverter.GetBytes(int64 tokens))

    do leads.Add(Lead(0, Home, 0L, 0.0, CoordinatorMachine(settings, Func<ByteString> token, TimeSpan.Zero)))

    let isOfHome (lead: Lead) = lead.Host = Home

    /// The workers' hosts live on without the home, whose processes end with it.
    let isAlive (lead: Lead) =
        lead.IsAlive
        && isNull lead.Outcome
        && (isOfHome lead || run.Nodes[lead.Host].IsAlive)

    let isStopped (lead: Lead) =
        if isOfHome lead then isHomePaused else run.Nodes[lead.Host].IsPaused

    let isNewest (lead: Lead) =
        leads.TrueForAll(fun other -> other.Term <= lead.Term)

    // ---- A coordinator ----

    let endsWithHome = Identities.endsWithHome schedule

    let endHome () =
        for node in run.Nodes do
            if endsWithHome node.Number then node.IsAlive <- false

    /// Behind all faults another has led for a while, as one of those that it knows can tell it.
    let couldFollow (node: Node) =
        let isElsewhere (peer: Node) =
            match peer.Coordinator with
            | Some lead when peer.IsAlive && isAlive leads[lead] ->
                leads[lead].Term > leads[defaultArg node.Coordinator node.Home].Term
                && time.Now > leads[lead].Began + 10.0
            | _ -> false

        not (endsWithHome node.Number || node.HasFailed)
        && time.Now > endOfFaults schedule + 10.0
        && node.Machine.Peers |> Seq.exists (fun path -> isElsewhere run.Nodes[int path])

    let mayGiveUp (node: Node) does =
        if couldFollow node then
            fail $"worker {node.Number} {does}, and those that it knows follow another coordinator"

    let conclude (lead: Lead) (outcome: RunOutcome) =
        time.Say(fun () -> $"coordinator {lead.Number} concludes: {outcome.Reason} {outcome.Message}")
        lead.Outcome <- outcome
        lead.Ended <- time.Now
        if isOfHome lead then time.Later(1.0, endHome)

    let rec toCoordinator (lead: Lead) (input: CoordinatorInput) =
        if isAlive lead then
            if not (isStopped lead) then
                let effects = lead.Machine.Handle(input, time.Span)

                for i in 0 .. effects.Count - 1 do
                    obey lead effects[i]
            elif isOfHome lead then
                homeDeferred.Enqueue((lead, input))
            else
                run.Nodes[lead.Host].Deferred.Enqueue(fun () -> toCoordinator lead input)

    and obey lead effect =
        match effect with
        | :? CoordinatorEffect.Send as send -> fromCoordinator lead run.Nodes[unbox<int> send.Channel] send.Message
        | :? CoordinatorEffect.Publish as publish -> run.Ledger.Read publish.Event
        | :? CoordinatorEffect.Judge as judge -> decide lead judge
        | :? CoordinatorEffect.Conclude as ending -> conclude lead ending.Outcome
        | _ -> ()

    and decide lead judge =
        let decision =
            EarlyStoppingRule.Decide(settings.EarlyStopping, judge.State, judge.Epoch, judge.Value)

        time.Later(0.001, (fun () -> toCoordinator lead (CoordinatorInput.Judged(judge.Epoch, decision))))

    and fromCoordinator (lead: Lead) (node: Node) message =
        // Of one that others have given up, nobody obeys what it says: the ledger sees to that as steps are committed.
        if isNewest lead then run.Ledger.Check message

        let lane = struct (-1 - lead.Number, node.Number)
        network.Deliver(lane, lead.Host, node.Place, (fun () -> node.Do(fun () -> hear node lead message)))

    // ---- A worker ----

    /// Whoever led before is told that he does not, and heard no more.
    and hear (node: Node) (lead: Lead) (message: IMessage) =
        if node.Former.Contains lead.Number then
            toLead node lead (Superseded(Term = node.Machine.Term))
        else
            match message with
            | :? WorkerAccepted as welcome when welcome.Term < node.Machine.Term -> ()
            | _ ->
                if message :? WorkerAccepted then node.Coordinator <- Some lead.Number

                toWorker node (WorkerInput.Received message)

    and toWorker (node: Node) (input: WorkerInput) =
        let effects = node.Machine.Handle(input, time.Span)

        for i in 0 .. effects.Count - 1 do
            doFor node threads[node.Number] effects[i]

    and doFor (node: Node) thread effect =
        match effect with
        | :? WorkerEffect.Send as send ->
            votes.Note(node.Number, send.Message)
            toHome node send.Message
        | :? WorkerEffect.Beat as beat -> toHome node (thread.Beat beat.Generation)
        | :? WorkerEffect.Prepare as prepare -> thread.Prepare prepare.Slot
        | :? WorkerEffect.Order as order -> thread.Order order.Command
        | :? WorkerEffect.Halt as halt -> thread.Halt halt.Command
        | :? WorkerEffect.StopAtNextStep -> node.StopRequested <- true
        | :? WorkerEffect.Tell as peer ->
            votes.Note(node.Number, peer.Path, peer.Message)
            toPeer node peer.Path peer.Message
        | :? WorkerEffect.Direct as direct -> tellWhere node direct.Peer
        | :? WorkerEffect.Follow as follow -> turnTo node (int follow.Coordinator)
        | :? WorkerEffect.Lead as lead -> takeOver node lead.Mandate
        | :? WorkerEffect.Retire as retire ->
            for lead in leads do
                if lead.Host = node.Number && lead.Term = retire.Term then
                    lead.IsAlive <- false
        | :? WorkerEffect.Keep as keep -> keepState node keep.Position.Step
        | :? WorkerEffect.End as ending -> leave node ending.Reason
        | other -> fail $"{other}"

    and toHome (node: Node) (message: IMessage) =
        toLead node leads[defaultArg node.Coordinator node.Home] message

    and toLead (node: Node) (lead: Lead) (message: IMessage) =
        let lane = struct (node.Number, -1 - lead.Number)

        network.Deliver(
            lane,
            node.Place,
            lead.Host,
            (fun () -> toCoordinator lead (CoordinatorInput.Received(node.Channel, message)))
        )

    and toPeer (node: Node) (path: string) (message: IMessage) =
        let peer = run.Nodes[int path]

        time.Say(fun () ->
            $"worker {node.Number} tells {peer.Number}: {message.Descriptor.Name} {Describing.words message}")

        let lane = struct (node.Number, peer.Number)
        network.Deliver(lane, node.Place, peer.Place, (fun () -> peer.Do(fun () -> fromPeer node peer message)))

    and fromPeer (node: Node) (peer: Node) message =
        match message with
        | :? RegisterWorker -> tellWhere peer (string node.Number)
        | message -> toWorker peer (WorkerInput.FromPeer message)

    and tellWhere (node: Node) path =
        match node.Coordinator with
        | Some lead -> toPeer node path (FollowCoordinator(Term = node.Machine.Term, Coordinator = string lead))
        | None -> ()

    and turnTo (node: Node) coordinator =
        time.Say(fun () -> $"worker {node.Number} follows coordinator {coordinator}")
        Option.iter (node.Former.Add >> ignore) node.Coordinator
        node.Coordinator <- None
        node.Home <- coordinator

    /// A disk takes its time, in which the others may do anything.
    and keepState (node: Node) step =
        time.Say(fun () -> $"worker {node.Number} keeps step {step}")
        mayGiveUp node "keeps its state"
        node.IsLeaving <- true
        let seconds = Math.Pow(10.0, time.Between(-2.0, 1.0))
        node.After(time, seconds, (fun () -> toWorker node (WorkerInput.KeepsAt [||])))

    and leave (node: Node) (reason: string) =
        time.Say(fun () -> $"worker {node.Number} ends: {reason}")

        if reason.Contains "given this worker up" && not node.HasFailed then
            fail $"worker {node.Number} ends, and nothing was wrong with it: {reason}"

        if reason.Contains "is gone" && not node.IsLeaving then
            mayGiveUp node $"ends ({reason})"

        node.IsAlive <- false

        if node.HasFailed && Identities.isStartedByHome schedule node.Number then
            let input = CoordinatorInput.ProcessLost(Identities.processOf node.Number, 1)
            time.Later(time.Between(0.01, 0.1), (fun () -> toCoordinator leads[0] input))

    and takeOver (node: Node) (mandate: Mandate) =
        time.Say(fun () -> $"worker {node.Number} is to lead in term {mandate.Term}")
        votes.Choose(node.Number, mandate.Term)

        takeovers.Begin(
            node,
            (fun () -> toWorker node workerTick),
            (fun () -> lead node mandate),
            (fun () ->
                time.Say(fun () -> $"worker {node.Number} cannot lead")
                node.CannotLead <- true
                toWorker node (WorkerInput.CannotLead(mandate.Term, "there is no place for the run's files")))
        )

    and lead (node: Node) (mandate: Mandate) =
        let machine =
            CoordinatorMachine(settingsOf false leads.Count, Func<ByteString> token, time.Span, mandate)

        for other in leads do
            if other.Host = node.Number then other.IsAlive <- false

        let lead = Lead(leads.Count, node.Number, mandate.Term, time.Now, machine)
        leads.Add lead
        tickCoordinator lead
        toWorker node (WorkerInput.Leads(mandate.Term, string lead.Number))

    and tickCoordinator (lead: Lead) =
        time.AtTicks(
            (fun () -> isAlive lead),
            (fun () -> if not (isStopped lead) then toCoordinator lead coordinatorTick)
        )

    /// The control plane tells a worker, sooner or later, that the coordinator which took it in is not there any more.
    let noticeLoss (node: Node) =
        match node.Coordinator with
        | Some lead when node.Missed <> lead && not (isAlive leads[lead]) ->
            node.Missed <- lead

            node.After(
                time,
                time.Between((if schedule.IsBusy then 0.01 else 5.0), 25.0),
                (fun () ->
                    if node.Coordinator = Some lead then
                        time.Say(fun () -> $"worker {node.Number} is told that coordinator {lead} is gone")
                        toWorker node (WorkerInput.HomeLost()))
            )
        | _ -> ()

    let tickWorker (node: Node) =
        time.AtTicks(
            (fun () -> node.IsAlive),
            (fun () ->
                if not node.IsPaused then toWorker node workerTick
                noticeLoss node)
        )

    /// Those that lead or led, in the order in which they began.
    member _.Leads: IReadOnlyList<Lead> = leads

    /// The one of the highest term.
    member _.Newest = leads.Find isNewest

    member _.IsAlive lead = isAlive lead

    /// A worker starts, and asks to be taken in.
    member _.Start slot =
        let number = run.Nodes.Count

        let isAtHome = schedule.AreRemote && endsWithHome number

        let node =
            Node(
                number,
                (if isAtHome then Home else number),
                slot,
                WorkerMachine(Identities.identityOf schedule number slot, Func<ByteString> token, time.Span)
            )

        node.Report <- fun message -> toWorker node (WorkerInput.Reported message)
        run.Nodes.Add node
        threads.Add(WorkerThread(run, node))
        tickWorker node

    /// The home starts, and leads.
    member _.StartHome() = tickCoordinator leads[0]

    member _.Tell(lead, input) = toCoordinator lead input

    member _.EndsWithHome(node: Node) = endsWithHome node.Number
    member _.PauseHome() = isHomePaused <- true
    member _.IsHomePaused = isHomePaused

    member _.ContinueHome() =
        isHomePaused <- false

        // Its clock is ahead of what it has to read.
        toCoordinator leads[0] coordinatorTick

        while homeDeferred.Count > 0 do
            homeDeferred.Dequeue() ||> toCoordinator
