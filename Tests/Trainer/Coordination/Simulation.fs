/// A run under virtual time: the production's state machines, with workers, a network and faults that are models.
module CnnCluster.Tests.Trainer.Coordination.Simulation

open System
open System.Collections.Generic
open Google.Protobuf
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Protocol

/// What goes wrong, to which worker (by its number), and for how long (seconds).
type Fault =
    /// Killed; the operating system tells the home, or nobody does.
    | Crash of worker: int * isTold: bool
    /// Stopped and continued.
    | Pause of worker: int * seconds: float
    /// Cut off from the home and from all workers.
    | Cut of worker: int * seconds: float
    /// Two workers do not reach each other; the home reaches both.
    | Split of worker: int * other: int * seconds: float
    /// The home's process is stopped and continued.
    | HomePause of seconds: float
    /// The home is lost for good.
    | HomeCrash
    /// The home is cut off from all workers.
    | HomeCut of seconds: float
    /// The user asks to stop.
    | Interrupt
    /// Another worker comes.
    | Join

type Schedule =
    {
        Seed: int
        Workers: int
        MinWorkers: int
        Epochs: int
        StepsPerEpoch: int64
        /// Workers live on hosts of their own, without the home, and may lead the run; else they are the home's processes.
        AreRemote: bool
        Faults: (float * Fault) list
    }

/// What the model can be told to do wrong, so that the checks are seen to find it.
type Sabotage =
    | Nothing = 0
    /// Workers take the newest state for their own without copying it.
    | NoCopy = 1
    /// A reduction ends though a worker has not come.
    | EarlyReduction = 2
    /// A worker that is halted forgets its last step.
    | Rollback = 3
    /// Among a step's workers one is given other weights.
    | OtherSum = 4

exception Violation of string

let private fail message = raise (Violation message)

/// The state behind a step: a pure function of the steps taken, as in exact mode, and spoilt by any step that is left out.
let private next (state: uint64) (step: int64) =
    (state ^^^ uint64 step) * 0x9E3779B97F4A7C15UL + 0x7F4A7C15UL

let private stateAt step = Seq.fold next 1UL (seq { 1L .. step })

/// The validation loss of an epoch.
let private lossOf seed epoch =
    Random(seed * 7919 + epoch).NextDouble()

/// What the members of a generation share: their reductions, until one of them is lost to the others.
type private Group(form: FormGeneration) =
    member val Form = form
    /// The numbers of those that have connected.
    member val Arrived = HashSet<int>()
    member val Failure: (string * int) option = None with get, set
    /// Who has entered the reduction of a step.
    member val Entered = Dictionary<int64, HashSet<int>>()

[<AllowNullLiteral>]
type private Node(number: int, slot: int, machine: WorkerMachine) =
    member _.Number = number
    member _.Machine = machine
    member val Slot = slot with get, set
    member val IsAlive = true with get, set
    member val IsPaused = false with get, set
    /// What happens to it while it is stopped comes when it goes on.
    member val Deferred = Queue<unit -> unit>()
    member val IsPrepared = false with get, set
    member val State = 1UL with get, set

    member val Position =
        Position(Epoch = 1, EarlyStopping = EarlyStoppingState(), Plateau = PlateauState()) with get, set

    /// The weights in place of its own where the run is ending.
    member val Restored: uint64 option = None with get, set
    member val Best: (int * uint64) option = None with get, set
    member val Orders = Queue<int * (unit -> unit)>()
    member val Ordered = 0 with get, set
    member val HaltedUpTo = 0 with get, set
    member val IsBusy = false with get, set
    /// The work under way; what belongs to an earlier number has been given up.
    member val Work = 0 with get, set
    member val Group: Group | null = null with get, set
    member val StopRequested = false with get, set
    member val Activity = Activity.Standing with get, set
    /// The coordinator that it registers with, the one that took it in, and those that led before.
    member val Home = 0 with get, set
    member val Coordinator: int option = None with get, set
    member val Former = HashSet<int>()
    /// The step in whose reduction it waits.
    member val Waiting: (int64 * (unit -> unit) * (string * int -> unit)) option = None with get, set

/// A coordinator on a worker's host, or on the home (-1).
type private Lead(number: int, host: int, machine: CoordinatorMachine) =
    member _.Number = number
    member _.Host = host
    member _.Machine = machine
    member val IsAlive = true with get, set
    member val Outcome: RunOutcome | null = null with get, set
    /// When it had one.
    member val Ended = 0.0 with get, set

/// Runs one schedule, and raises `Violation` where an invariant is broken.
type World(schedule: Schedule, sabotage: Sabotage) =
    let random = Random schedule.Seed
    let events = PriorityQueue<unit -> unit, struct (float * int)>()
    let mutable now = 0.0
    let mutable order = 0
    let trace = Queue<string>()
    let nodes = List<Node>()
    let groups = Dictionary<ByteString, Group>()
    let cut = HashSet<int>()
    let split = HashSet<struct (int * int)>()
    let lastDelivery = Dictionary<struct (int * int), float>()
    let mutable tokens = 0
    let checkpoints = Dictionary<string, int64>()
    let mutable final: uint64 option = None
    let mutable isHomePaused = false
    let mutable isHomeCut = false
    let mutable isStarted = false
    let leads = List<Lead>()
    /// Who has applied a step within a generation, and the generation that all of whose members have.
    let appliers = Dictionary<struct (ByteString * int64), HashSet<int>>()
    let committedBy = Dictionary<int64, ByteString>()
    /// What comes for the home while it is stopped.
    let homeDeferred = Queue<Lead * CoordinatorInput>()
    let mutable published = 0L

    let at = TimeSpan.FromSeconds: float -> TimeSpan

    let say (text: string) =
        trace.Enqueue $"%8.3f{now} {text}"

        if trace.Count > 120 then trace.Dequeue() |> ignore

    let later seconds action =
        order <- order + 1
        events.Enqueue(action, struct (now + seconds, order))

    let between low high =
        low + random.NextDouble() * (high - low)

    let token () =
        tokens <- tokens + 1
        ByteString.CopyFrom(BitConverter.GetBytes(int64 tokens))

    let patience = Patience(Waiting = TimeSpan.FromSeconds 120.0)

    let early =
        EarlyStoppingSettings(
            Higher = false,
            Patience = Nullable 1000,
            MinDelta = 0.0,
            Baseline = Nullable(),
            StartFromEpoch = 0
        )

    let settings =
        RunSettings(
            World = schedule.Workers,
            MinWorkers = schedule.MinWorkers,
            Job = Job(),
            JoinToken = Array.zeroCreate 16,
            Epochs = schedule.Epochs,
            Monitor = "val_loss",
            EarlyStopping = early,
            RestoreBest = true,
            FigureNames = [||],
            RegularizedNames = [||],
            Parameters = 1L,
            StateReceiver = Endpoint(),
            StateToken = Array.zeroCreate 16,
            HomeHost = "home",
            Patience = patience
        )

    do leads.Add(Lead(0, -1, CoordinatorMachine(settings, Func<ByteString> token, TimeSpan.Zero)))

    // ---- The network ----

    let reaches (a: Node) (b: Node) =
        let pair = struct (min a.Number b.Number, max a.Number b.Number)

        a.IsAlive
        && b.IsAlive
        && not (cut.Contains a.Number)
        && not (cut.Contains b.Number)
        && not (split.Contains pair)

    /// Runs on a node, now or when it goes on.
    let on (node: Node) action =
        if node.IsAlive then
            if node.IsPaused then node.Deferred.Enqueue action else action ()

    let isCut host =
        if host < 0 then isHomeCut else cut.Contains host

    let isApart a b =
        isCut a || isCut b || split.Contains(struct (min a b, max a b))

    /// Messages of a pair come in order; one that is sent or would arrive while the two are apart is lost.
    let deliver key (a: int) (b: int) action =
        if not (isApart a b) then
            let before = lastDelivery.GetValueOrDefault(key, 0.0)
            let time = max before (now + between 0.001 0.05)
            lastDelivery[key] <- time

            later (time - now) (fun () -> if not (isApart a b) then action ())

    /// The workers' hosts live on without the home, whose processes end with it.
    let isAlive (lead: Lead) =
        lead.IsAlive
        && isNull lead.Outcome
        && (lead.Host < 0 || nodes[lead.Host].IsAlive)

    let rec toCoordinator (lead: Lead) (input: CoordinatorInput) =
        if isAlive lead then
            if lead.Host < 0 && isHomePaused then
                homeDeferred.Enqueue((lead, input))
            elif lead.Host >= 0 && nodes[lead.Host].IsPaused then
                nodes[lead.Host].Deferred.Enqueue(fun () -> toCoordinator lead input)
            else
                for effect in lead.Machine.Handle(input, at now) do
                    obey lead effect

    and obey lead effect =
        match effect with
        | :? CoordinatorEffect.Send as send ->
            let node = nodes[unbox<int> send.Channel]

            // Of one that others have given up, nobody obeys what it says: `commit` sees to that.
            if lead.Number = leads.Count - 1 then check send.Message

            deliver (struct (-1 - lead.Number, node.Number)) lead.Host node.Number (fun () ->
                on node (fun () -> hear node lead send.Message))
        | :? CoordinatorEffect.Publish as publish -> read publish.Event
        | :? CoordinatorEffect.Judge as judge ->
            let decision =
                EarlyStoppingRule.Decide(early, judge.State, judge.Epoch, judge.Value)

            later 0.001 (fun () -> toCoordinator lead (CoordinatorInput.Judged(judge.Epoch, decision)))
        | :? CoordinatorEffect.Conclude as conclude ->
            say $"coordinator {lead.Number} concludes: {conclude.Outcome.Reason} {conclude.Outcome.Message}"
            lead.Outcome <- conclude.Outcome
            lead.Ended <- now
        | _ -> ()

    /// As the worker's actor does: whoever led before is told that he does not, and heard no more.
    and hear (node: Node) (lead: Lead) (message: IMessage) =
        if node.Former.Contains lead.Number then
            toLead node lead (Superseded(Term = node.Machine.Term))
        else
            match message with
            | :? WorkerAccepted as welcome when welcome.Term < node.Machine.Term -> ()
            | _ ->
                if message :? WorkerAccepted then node.Coordinator <- Some lead.Number

                toWorker node (WorkerInput.Received message)

    and toLead (node: Node) (lead: Lead) (message: IMessage) =
        deliver (struct (node.Number, -1 - lead.Number)) node.Number lead.Host (fun () ->
            toCoordinator lead (CoordinatorInput.Received(box node.Number, message)))

    and toPeer (node: Node) (path: string) (message: IMessage) =
        let peer = nodes[int path]

        deliver (struct (node.Number, peer.Number)) node.Number peer.Number (fun () ->
            on peer (fun () ->
                match message, peer.Coordinator with
                | (:? RegisterWorker), Some lead ->
                    toPeer
                        peer
                        (string node.Number)
                        (FollowCoordinator(Term = peer.Machine.Term, Coordinator = string lead))
                | (:? RegisterWorker), None -> ()
                | message, _ -> toWorker peer (WorkerInput.FromPeer message)))

    and takeOver (node: Node) (mandate: Mandate) =
        say $"worker {node.Number} is to lead in term {mandate.Term}"

        after node (between 0.02 0.3) (fun () ->
            let lead =
                Lead(leads.Count, node.Number, CoordinatorMachine(settings, Func<ByteString> token, at now, mandate))

            for other in leads do
                if other.Host = node.Number then other.IsAlive <- false

            leads.Add lead
            tickCoordinator lead
            toWorker node (WorkerInput.Leads(string lead.Number)))

    and tickCoordinator (lead: Lead) =
        if isAlive lead then
            let isStopped = if lead.Host < 0 then isHomePaused else nodes[lead.Host].IsPaused

            if not isStopped then toCoordinator lead (CoordinatorInput.Tick())

            later 0.1 (fun () -> tickCoordinator lead)

    and read (event: IRunEvent) =
        match event with
        | :? RunRegrouped as regrouped ->
            say
                $"generation {regrouped.Generation} of {regrouped.Workers.Count} from step {regrouped.Step}: {regrouped.Reason}"

            if regrouped.LostSteps > 0L then
                fail $"{regrouped.LostSteps} committed steps are lost"
        | :? EpochEnded as ended ->
            say $"epoch {ended.Metrics.Epoch} ends at step {ended.Metrics.Step}"

            if ended.Metrics.Step <> int64 ended.Metrics.Epoch * schedule.StepsPerEpoch then
                fail $"epoch {ended.Metrics.Epoch} ends at step {ended.Metrics.Step}"

            published <- max published ended.Metrics.Step
        | :? RunStarted ->
            isStarted <- true
            say "starts"
        | :? RunWaiting as waiting -> say $"waits: {waiting.Reason}"
        | _ -> ()

    and check (message: IMessage) =
        match message with
        | :? FormGeneration as form when form.Position.Step < published ->
            fail $"generation {form.Generation} forms at step {form.Position.Step}, and {published} was published"
        | _ -> ()

    // ---- A worker ----

    and toWorker (node: Node) (input: WorkerInput) =
        for effect in node.Machine.Handle(input, at now) do
            match effect with
            | :? WorkerEffect.Send as send -> toHome node send.Message
            | :? WorkerEffect.Beat as beat ->
                toHome
                    node
                    (Heartbeat(
                        Generation = beat.Generation,
                        Step = node.Position.Step,
                        Epoch = node.Position.Epoch,
                        Activity = node.Activity,
                        StepSeconds = 0.02
                    ))
            | :? WorkerEffect.Prepare as prepare ->
                node.Slot <- prepare.Slot
                let pause = if node.IsPrepared then 0.0 else between 0.1 1.0

                work node (fun finished ->
                    after node pause (fun () ->
                        node.IsPrepared <- true

                        report
                            node
                            (WorkerPrepared(
                                DataPlane = Endpoint(Host = "h", Port = 1),
                                Position = node.Position.Clone()
                            ))

                        finished ()))
            | :? WorkerEffect.Order as order -> command node order.Command
            | :? WorkerEffect.Halt as halt -> stop node halt.Command
            | :? WorkerEffect.StopAtNextStep -> node.StopRequested <- true
            | :? WorkerEffect.Tell as peer -> toPeer node peer.Path peer.Message
            | :? WorkerEffect.Follow as follow ->
                say $"worker {node.Number} follows coordinator {follow.Coordinator}"
                Option.iter (node.Former.Add >> ignore) node.Coordinator
                node.Coordinator <- None
                node.Home <- int follow.Coordinator
            | :? WorkerEffect.Lead as lead -> takeOver node lead.Mandate
            | :? WorkerEffect.Keep as keep ->
                say $"worker {node.Number} keeps step {keep.Position.Step}"
                later 0.01 (fun () -> on node (fun () -> toWorker node (WorkerInput.KeepsAt [||])))
            | :? WorkerEffect.End as ending ->
                say $"worker {node.Number} ends: {ending.Reason}"

                if ending.Reason.Contains "given this worker up" then
                    fail $"worker {node.Number} ends, and nothing was wrong with it: {ending.Reason}"

                node.IsAlive <- false
            | other -> fail $"{other}"

    and toHome (node: Node) (message: IMessage) =
        toLead node leads[defaultArg node.Coordinator node.Home] message

    and report (node: Node) (message: IMessage) =
        toWorker node (WorkerInput.Reported message)

    /// Something that takes the node's thread some time; a node that is stopped takes longer.
    and after (node: Node) seconds action =
        later seconds (fun () -> on node action)

    /// Behind what the thread has to do.
    and work (node: Node) (action: (unit -> unit) -> unit) =
        node.Ordered <- node.Ordered + 1
        node.Orders.Enqueue(node.Ordered, fun () -> action (fun () -> finished node))
        proceed node

    and finished (node: Node) =
        node.IsBusy <- false
        node.Activity <- Activity.Standing
        proceed node

    and proceed (node: Node) =
        if not node.IsBusy && node.Orders.Count > 0 then
            node.IsBusy <- true
            snd (node.Orders.Dequeue()) ()

    and failed (node: Node) (reason, peer) =
        report
            node
            (WorkerFailed(
                Generation = node.Machine.Generation,
                Kind = FailureKind.Peer,
                Reason = reason,
                LostPeer = peer
            ))

        finished node

    and command (node: Node) (message: IMessage) =
        let number = node.Ordered + 1

        match message with
        | :? FormGeneration as form -> work node (fun _ -> connect node form number)
        | :? TrainEpoch as train ->
            work node (fun _ ->
                decide node train.Decided
                trainStep node train.Epoch)
        | :? Validate as validate ->
            work node (fun finished ->
                after node (between 0.02 0.2) (fun () ->
                    report
                        node
                        (Validated(
                            Generation = validate.Generation,
                            Epoch = validate.Epoch,
                            Sums = sums validate.Epoch
                        ))

                    finished ()))
        | :? DeliverState as deliver ->
            work node (fun finished ->
                decide node deliver.Decided
                let step, state = node.Position.Step, defaultArg node.Restored node.State

                after node (between 0.01 0.6) (fun () ->
                    if
                        deliver.Content = StateContent.Checkpoint
                        && deliver.Name <> StateNames.Final
                        && stateAt step <> state
                    then
                        fail $"checkpoint {deliver.Name} has the state of other steps"

                    checkpoints[deliver.Name] <- step

                    if deliver.Name = StateNames.Final then final <- Some state

                    report node (StateDelivered(Name = deliver.Name)))

                finished ())
        | :? Finish as finish ->
            work node (fun finished ->
                decide node finish.Decided

                match node.Best with
                | Some(_, best) when finish.RestoreBest -> node.Restored <- Some best
                | _ -> ()

                let final = defaultArg node.Restored node.State
                report node (WorkerFinished(Generation = finish.Generation, WeightsSha256 = final.ToString "x16"))
                finished ())
        | other -> fail $"{other}"

    and sums epoch =
        EpochSums(Samples = 1L, Loss = lossOf schedule.Seed epoch)

    and decide (node: Node) (decision: EpochDecided | null) =
        match decision with
        | null -> ()
        | decision when
            decision.Epoch <= node.Position.DecidedEpoch
            || decision.Step <> node.Position.Step
            ->
            ()
        | decision ->
            if node.Position.StepInEpoch <> schedule.StepsPerEpoch then
                fail $"worker {node.Number} decides on epoch {decision.Epoch} within it"

            say $"worker {node.Number} has the decision on epoch {decision.Epoch}"
            node.Position.DecidedEpoch <- decision.Epoch
            node.Position.EarlyStopping <- decision.EarlyStopping

            if decision.KeepAsBest then
                node.Best <- Some(decision.Epoch, node.State)

    // ---- A generation ----

    and memberOf slot =
        nodes |> Seq.tryFindBack (fun n -> n.IsAlive && n.Slot = slot)

    and connect (node: Node) form number =
        if number <= node.HaltedUpTo then
            failed node ("halted", -1)
        else
            let group =
                match groups.TryGetValue form.Token with
                | true, group -> group
                | _ ->
                    let group = Group form
                    groups[form.Token] <- group
                    group

            node.Work <- node.Work + 1
            let mine = node.Work
            node.Group <- group
            group.Arrived.Add node.Number |> ignore

            node.Waiting <- Some(-1L, (fun () -> enter node form group), fun why -> failed node why)

            meet group

            later 10.0 (fun () ->
                on node (fun () ->
                    if node.Work = mine && node.Waiting.IsSome && node.Group = group then
                        let missing =
                            form.Members
                            |> Seq.tryFind (fun m -> group.Arrived |> Seq.forall (fun n -> nodes[n].Slot <> m.Slot))

                        release
                            node
                            (Some(
                                "not connected",
                                (match missing with
                                 | Some m -> m.Slot
                                 | None -> -1)
                            ))))

    /// Lets those that wait for each other go on when all have come and reach each other.
    and meet (group: Group) =
        let arrived = [ for number in group.Arrived -> nodes[number] ]

        let complete =
            group.Failure.IsNone
            && arrived.Length = group.Form.Members.Count
            && List.forall (fun a -> List.forall (fun b -> a = b || reaches a b) arrived) arrived

        if complete then
            for node in arrived do
                release node None

    /// Ends a wait, well or with a failure.
    and release (node: Node) failure =
        match node.Waiting with
        | None -> ()
        | Some(step, good, bad) ->
            node.Waiting <- None
            let mine = node.Work

            // A thread that waits wakes at once; on a busy machine, after a while.
            let pause = if between 0.0 1.0 < 0.02 then 0.7 else 0.01

            after node (between 0.0005 pause) (fun () ->
                if node.Work = mine then
                    match failure with
                    | Some why -> bad why
                    | None ->
                        // The last message of a reduction may not come where the group fails meanwhile.
                        match (if isNull node.Group then None else node.Group.Failure) with
                        | Some why when step >= 0L -> bad why
                        | _ -> good ())

    and enter (node: Node) (form: FormGeneration) group =
        decide node form.Decided
        node.StopRequested <- false

        if form.Synchronise then
            let mine = node.Work
            let source = memberOf form.Members[form.Source].Slot

            after node (between 0.005 0.3) (fun () ->
                if node.Work = mine then
                    match group.Failure, source with
                    | Some why, _ -> failed node why
                    | None, None -> failed node ("the source is gone", form.Members[form.Source].Slot)
                    | None, Some source ->
                        if sabotage <> Sabotage.NoCopy || node = source then
                            node.State <- source.State

                        node.Best <- source.Best
                        node.Position <- form.Position.Clone()
                        ready node form)
        else
            ready node form

    and ready (node: Node) form =
        report node (WorkerReady(Generation = form.Generation, Position = node.Position.Clone()))
        finished node

    // ---- A step ----

    and trainStep (node: Node) epoch =
        if node.Position.Epoch <> epoch then
            node.Position.Epoch <- epoch
            node.Position.StepInEpoch <- 0L

        if node.Position.StepInEpoch >= schedule.StepsPerEpoch then
            trained node epoch StopCause.NotStopped
        else
            node.Activity <- Activity.Computing
            let mine = node.Work

            after node (between 0.005 0.03) (fun () -> if node.Work = mine then reduce node epoch)

    and reduce (node: Node) epoch =
        let group = nonNull node.Group
        let step = node.Position.Step + 1L

        match group.Failure with
        | Some why -> failed node why
        | None ->
            node.Activity <- Activity.Reducing

            node.Waiting <- Some(step, (fun () -> apply node group epoch step), (fun why -> failed node why))

            let entered =
                match group.Entered.TryGetValue step with
                | true, set -> set
                | _ ->
                    let set = HashSet<int>()
                    group.Entered[step] <- set
                    set

            entered.Add node.Number |> ignore

            let enough =
                if sabotage = Sabotage.EarlyReduction then
                    entered.Count >= max 1 (group.Form.Members.Count - 1)
                else
                    entered.Count = group.Form.Members.Count

            if enough then
                for number in entered do
                    release nodes[number] None

    and apply (node: Node) group epoch step =
        if group.Form.Generation < node.Machine.Generation then
            fail
                $"worker {node.Number} applies step {step} of generation {group.Form.Generation} in {node.Machine.Generation}"

        if group.Entered[step].Count < group.Form.Members.Count then
            fail $"worker {node.Number} applies step {step} without all that take part in it"

        say $"worker {node.Number} applies step {step}"
        commit node group step
        node.Position.Step <- step
        node.Position.StepInEpoch <- node.Position.StepInEpoch + 1L
        node.State <- next node.State (if sabotage = Sabotage.OtherSum && node.Number = 1 then -step else step)

        if node.State <> stateAt step then
            fail $"worker {node.Number} has the state of other steps at step {step}"

        trainStep node epoch

    /// A step is committed once, by one generation.
    and commit (node: Node) (group: Group) step =
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

    and trained (node: Node) epoch cause =
        report
            node
            (EpochTrained(
                Generation = node.Machine.Generation,
                Epoch = epoch,
                Step = node.Position.Step,
                Sums = sums epoch,
                Seconds = 1.0,
                Stop = cause
            ))

        finished node

    /// Fails what is under way in a collective, and answers from the thread.
    and stop (node: Node) (halt: Halt) =
        node.HaltedUpTo <- node.Ordered

        if not (isNull node.Group) then
            lose (nonNull node.Group) (halt.Reason, -1)

        work node (fun finished ->
            node.Restored <- None

            if sabotage = Sabotage.Rollback && node.Position.Step > 0L then
                node.Position.Step <- node.Position.Step - 1L
                node.State <- stateAt node.Position.Step

            report
                node
                (WorkerHalted(Round = halt.Round, HasState = node.IsPrepared, Position = node.Position.Clone()))

            finished ())

    /// A group whose connections break is of no use to any member; each hears of it a little later.
    and lose (group: Group) why =
        if group.Failure.IsNone then
            group.Failure <- Some why

            for number in List.ofSeq group.Arrived do
                let node = nodes[number]

                later (between 0.001 0.1) (fun () ->
                    on node (fun () -> if node.Group = group then release node (Some why)))

    // ---- Faults ----

    let breakGroups (node: Node) isHit =
        for group in groups.Values do
            if group.Failure.IsNone && group.Arrived.Contains node.Number then
                let other =
                    group.Arrived
                    |> Seq.exists (fun number -> number <> node.Number && isHit nodes[number])

                if other then lose group ("the connection broke", node.Slot)

    let meetAll () =
        for group in List.ofSeq groups.Values do
            if
                group.Arrived
                |> Seq.exists (fun n -> nodes[n].Waiting |> Option.exists (fun (step, _, _) -> step < 0L))
            then
                meet group

    let join slot =
        let number = nodes.Count

        let identity =
            WorkerIdentity(
                Array.zeroCreate 16,
                (if schedule.AreRemote then -1 else slot),
                (if schedule.AreRemote then $"host {number}" else "home"),
                1000 + number,
                "cpu",
                1,
                string number,
                schedule.AreRemote
            )

        let node =
            Node(number, slot, WorkerMachine(identity, Func<ByteString> token, at now))

        nodes.Add node

        let rec tick () =
            if node.IsAlive then
                if not node.IsPaused then toWorker node (WorkerInput.Tick())

                later 0.1 tick

        tick ()

    let rec strike fault =
        say $"{fault}"

        match fault with
        | Join -> join -1
        | Crash(worker, isTold) when nodes[worker].IsAlive ->
            let node = nodes[worker]
            node.IsAlive <- false
            node.Work <- node.Work + 1
            breakGroups node (fun _ -> true)

            if isTold then
                for lead in leads do
                    later (between 0.01 0.1) (fun () -> toCoordinator lead (CoordinatorInput.ChannelLost(box worker)))

                if not schedule.AreRemote then
                    later (between 0.01 0.1) (fun () ->
                        toCoordinator leads[0] (CoordinatorInput.ProcessLost(1000 + worker, 137)))
        | Pause(worker, seconds) when nodes[worker].IsAlive && not nodes[worker].IsPaused ->
            let node = nodes[worker]
            node.IsPaused <- true

            later seconds (fun () ->
                say $"worker {worker} goes on"
                node.IsPaused <- false

                while node.Deferred.Count > 0 && not node.IsPaused do
                    let action = node.Deferred.Dequeue()

                    if node.IsAlive then action ())
        | Interrupt -> toCoordinator leads[leads.Count - 1] (CoordinatorInput.Interrupt())
        | HomeCrash ->
            leads[0].IsAlive <- false

            if not schedule.AreRemote then
                for node in nodes do
                    node.IsAlive <- false
        | HomeCut seconds ->
            isHomeCut <- true

            later seconds (fun () ->
                say "the home is back"
                isHomeCut <- false)
        | HomePause seconds when not isHomePaused ->
            isHomePaused <- true

            later seconds (fun () ->
                say "the home goes on"
                isHomePaused <- false

                // Its clock is ahead of what it has to read.
                toCoordinator leads[0] (CoordinatorInput.Tick())

                while homeDeferred.Count > 0 do
                    homeDeferred.Dequeue() ||> toCoordinator)
        | Cut(worker, seconds) when nodes[worker].IsAlive ->
            cut.Add worker |> ignore
            breakGroups nodes[worker] (fun _ -> true)

            later seconds (fun () ->
                say $"worker {worker} is back"
                cut.Remove worker |> ignore
                meetAll ())
        | Split(worker, other, seconds) when worker <> other ->
            let pair = struct (min worker other, max worker other)
            split.Add pair |> ignore
            breakGroups nodes[worker] (fun node -> node.Number = other)

            later seconds (fun () ->
                split.Remove pair |> ignore
                meetAll ())
        | _ -> ()

    let expected =
        let best = seq { 1 .. schedule.Epochs } |> Seq.minBy (lossOf schedule.Seed)

        (stateAt (int64 best * schedule.StepsPerEpoch)).ToString "x16"

    /// Workers that could take part.
    let present () =
        nodes
        |> Seq.filter (fun node -> node.IsAlive && not node.IsPaused && not (cut.Contains node.Number))
        |> Seq.length

    /// Reasons for which a run may end before its epochs are done.
    let isExcused (message: string) =
        List.exists
            (fun (part: string) -> message.Contains part)
            [ "No worker is left"; "workers are left on this side" ]
        || message.Contains "workers were there within" && present () < schedule.MinWorkers
        || message.Contains "were ready within" && present () < schedule.Workers
        || message.Contains "was lost" && published = 0L
        || message.Contains "at step 0"

    /// A run that ends early, with workers that stand, has kept their state.
    let checkSaved lastFault (outcome: RunOutcome) =
        let ended =
            leads
            |> Seq.filter (fun lead -> lead.Outcome = outcome)
            |> Seq.map _.Ended
            |> Seq.min

        match Option.ofObj outcome.Checkpoint with
        | _ when outcome.Message.Contains "No worker is left" -> ()
        | _ when outcome.Message.Contains "could not be saved" -> if ended > lastFault + 40.0 then fail outcome.Message
        | Some name when checkpoints[name] = outcome.Step -> ()
        | _ when outcome.Step = 0L -> ()
        | name -> fail $"the run ends at step {outcome.Step} with {name}: {outcome.Message}"

    /// The run outlives its home where a majority of the workers is there.
    let mustOutliveHome () =
        schedule.AreRemote
        && isStarted
        && schedule.MinWorkers = 1
        && schedule.Faults
           |> List.forall (fun (_, fault) ->
               match fault with
               | HomeCrash
               | HomeCut _
               | HomePause _
               | Join -> true
               | _ -> false)

    let touchesHome =
        schedule.Faults
        |> List.exists (fun (_, fault) ->
            match fault with
            | HomeCrash
            | HomeCut _
            | HomePause _ -> true
            | _ -> false)

    let checkDone (outcome: RunOutcome) =
        if outcome.WeightsHash <> expected then
            fail $"the run ends with {outcome.WeightsHash}, and undisturbed with {expected}"

        match final with
        | Some state when state.ToString "x16" = expected -> ()
        | state -> fail $"the last state is {state}, and should be {expected}"

    let checkEarlyEnd lastFault (outcome: RunOutcome) =
        match outcome.Reason with
        | StopReason.Interrupted when List.exists (fun (_, fault) -> fault = Interrupt) schedule.Faults ->
            checkSaved lastFault outcome
        | _ ->
            if
                schedule.Faults.IsEmpty
                || not (isExcused outcome.Message || (schedule.AreRemote && touchesHome))
            then
                fail $"the run ends: {outcome.Reason} {outcome.Message}"

            if
                outcome.Message.Contains "workers are left on this side"
                || outcome.Message.Contains "there within"
            then
                checkSaved lastFault outcome

    let outcomes () =
        leads |> Seq.choose (fun lead -> Option.ofObj lead.Outcome) |> List.ofSeq

    let checkEnd lastFault =
        match outcomes () |> List.filter (fun outcome -> outcome.Reason = StopReason.Epochs) with
        | [] when mustOutliveHome () -> fail "the run has not outlived its home"
        | [] -> outcomes () |> List.iter (checkEarlyEnd lastFault)
        | ends -> List.iter checkDone ends

    /// Nobody is left who could go on.
    let hasEnded () =
        outcomes () |> List.exists (fun outcome -> outcome.Reason = StopReason.Epochs)
        || not (Seq.exists isAlive leads)
           && (not schedule.AreRemote || nodes |> Seq.forall (fun node -> not node.IsAlive))

    member _.Trace = String.Join("\n", trace)

    /// Virtual seconds that it took.
    member _.Elapsed = now

    member _.Run() =
        for slot in 0 .. schedule.Workers - 1 do
            join slot

        for time, fault in schedule.Faults do
            later time (fun () ->
                let known worker = worker < nodes.Count

                match fault with
                | Crash(w, _)
                | Pause(w, _)
                | Cut(w, _) when not (known w) -> ()
                | Split(w, o, _) when not (known w && known o) -> ()
                | fault -> strike fault)

        tickCoordinator leads[0]

        let lastFault =
            schedule.Faults
            |> List.map (fun (time, fault) ->
                match fault with
                | Pause(_, s)
                | HomePause s
                | HomeCut s
                | Cut(_, s)
                | Split(_, _, s) -> time + s
                | _ -> time)
            |> List.fold max 0.0

        let bound = lastFault + 400.0

        while not (hasEnded ()) do
            match events.TryDequeue() with
            | true, action, struct (time, _) ->
                now <- time

                if now > bound then
                    let states = leads |> Seq.filter isAlive |> Seq.map (fun lead -> lead.Machine.State)

                    fail
                        $"the run has not ended {bound - lastFault} s behind the last fault: {String.Join(' ', states)}"

                action ()
            | _ -> fail "nothing happens any more"

        checkEnd lastFault
