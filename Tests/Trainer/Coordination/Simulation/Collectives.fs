namespace CnnCluster.Tests.Trainer.Coordination.Simulation

open System.Collections.Generic
open Google.Protobuf
open CnnCluster.Tests.Trainer.Coordination.Simulation.Schedules
open CnnCluster.Trainer.Protocol

/// The workers' connections, generation by generation: who waits for whom, and what breaks.
type Collectives
    (time: VirtualTime, network: Network, nodes: IReadOnlyList<Node>, schedule: Schedule, sabotage: Sabotage) =
    /// For the connections of a generation.
    static let patience = 10.0
    /// For one reduction.
    static let reducing = 60.0

    let groups = Dictionary<ByteString, Group>()

    let groupOf (form: FormGeneration) =
        match groups.TryGetValue form.Token with
        | true, group -> group
        | _ ->
            let group = Group form
            groups[form.Token] <- group
            group

    let isConnecting (node: Node) =
        node.Waiting |> Option.exists _.Step.IsNone

    let reaches (a: Node) (b: Node) =
        a.IsAlive && b.IsAlive && not (network.IsApart(a.Place, b.Place))

    /// A thread that waits wakes at once; on a busy machine, after a while.
    let waking () =
        let isLate = schedule.IsBusy && time.Between(0.0, 1.0) < 0.02
        let pause = if isLate then 0.7 else 0.01
        time.Between(0.0005, pause)

    let goOn (node: Node) wait failure =
        match failure, node.Group with
        | Some why, _ -> wait.Fail why
        // The last message of a reduction may not come where the group fails meanwhile.
        | None, NonNull group when wait.Step.IsSome && group.Failure.IsSome -> wait.Fail group.Failure.Value
        | None, _ -> wait.Succeed()

    /// Ends a wait, well or with a failure.
    let release (node: Node) failure =
        match node.Waiting with
        | None -> ()
        | Some wait ->
            node.Waiting <- None
            let mine = node.Work
            node.After(time, waking (), (fun () -> if node.Work = mine then goOn node wait failure))

    /// Lets those that wait for each other go on when all have come and reach each other.
    let meet (group: Group) =
        let arrived = [ for number in group.Arrived -> nodes[number] ]

        let complete =
            group.Failure.IsNone
            && arrived.Length = group.Form.Members.Count
            && List.forall (fun a -> List.forall (fun b -> a = b || reaches a b) arrived) arrived

        if complete then
            for node in arrived do
                release node None

    /// A group whose connections break is of no use to any member; each hears of it a little later.
    let lose (group: Group) why =
        if group.Failure.IsNone then
            group.Failure <- Some why

            for number in List.ofSeq group.Arrived do
                let node = nodes[number]

                node.After(
                    time,
                    time.Between(0.001, 0.1),
                    (fun () -> if node.Group = group then release node (Some why))
                )

    /// The slot of one that has not come.
    let missing (group: Group) =
        group.Form.Members
        |> Seq.tryFind (fun m -> group.Arrived |> Seq.forall (fun n -> nodes[n].Slot <> m.Slot))
        |> Option.map _.Slot
        |> Option.defaultValue -1

    /// The slot of one that has not entered a reduction.
    let absent (group: Group) step =
        Seq.except (group.EnteredBy step) group.Arrived
        |> Seq.tryHead
        |> Option.map (fun number -> nodes[number].Slot)
        |> Option.defaultValue -1

    let isIn (node: Node) wait =
        node.Waiting |> Option.exists (fun now -> obj.ReferenceEquals(now, wait))

    let giveUpStep (node: Node) wait step =
        if isIn node wait then
            let group = nonNull node.Group
            lose group ("a peer has not come", absent group step)

    /// One timer for all reductions of a worker, which goes on to the one that is waited in when it comes: each is over long
    /// before its time.
    let rec watch (node: Node) =
        match node.Waiting with
        | Some({ Step = Some _ } as wait) when wait.Until > time.Now -> time.At(wait.Until, (fun () -> watch node))
        | Some({ Step = Some step } as wait) ->
            node.IsTimed <- false
            node.Do(fun () -> giveUpStep node wait step)
        | _ -> node.IsTimed <- false

    let giveUp (node: Node) mine group =
        if node.Work = mine && isConnecting node && node.Group = group then
            release node (Some("not connected", missing group))

    /// Connects a worker with its generation's others, and returns what they share.
    member _.Connect(node: Node, form, succeed, failed) =
        let group = groupOf form
        node.Work <- node.Work + 1
        let mine = node.Work
        node.Group <- group
        group.Arrived.Add node.Number |> ignore

        node.Waiting <-
            Some
                { Step = None
                  Until = time.Now + patience
                  Succeed = (fun () -> succeed group)
                  Fail = failed }

        meet group
        node.After(time, patience, (fun () -> giveUp node mine group))

    /// Enters the reduction of a step, which ends when all have.
    member _.Reduce(node: Node, group: Group, step, succeed, failed) =
        node.Waiting <-
            Some
                { Step = Some step
                  Until = time.Now + reducing
                  Succeed = succeed
                  Fail = failed }

        if not node.IsTimed then
            node.IsTimed <- true
            watch node

        if node.StopRequested && group.StopsBehind.IsNone then
            group.StopsBehind <- Some step

        let entered = group.EnteredBy step
        entered.Add node.Number |> ignore
        let members = group.Form.Members.Count

        let enough =
            if sabotage = Sabotage.EarlyReduction then
                entered.Count >= max 1 (members - 1)
            else
                entered.Count = members

        if enough then
            for number in entered do
                release nodes[number] None

    /// Fails what a worker and its peers do together.
    member _.Abort(node: Node, reason) =
        match Option.ofObj node.Group with
        | Some group -> lose group (reason, -1)
        | None -> ()

    /// Breaks a worker's connections with those that are hit.
    member _.Break(node: Node, isHit) =
        for group in groups.Values do
            if group.Failure.IsNone && group.Arrived.Contains node.Number then
                let isBroken =
                    group.Arrived
                    |> Seq.exists (fun number -> number <> node.Number && isHit nodes[number])

                if isBroken then lose group ("the connection broke", node.Slot)

    /// The network has changed: some may reach each other now.
    member _.MeetAll() =
        for group in List.ofSeq groups.Values do
            if Seq.exists (fun number -> isConnecting nodes[number]) group.Arrived then
                meet group
