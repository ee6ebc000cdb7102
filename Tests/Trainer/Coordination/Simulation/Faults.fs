namespace CnnCluster.Tests.Trainer.Coordination.Simulation

open CnnCluster.Tests.Trainer.Coordination.Simulation.Schedules
open CnnCluster.Trainer.Coordination.Machines

/// Does to a run what its schedule says.
type Faults(run: Run, actors: Actors) =
    let time, network, nodes = run.Time, run.Network, run.Nodes

    let tellLater lead input =
        time.Later(time.Between(0.01, 0.1), (fun () -> actors.Tell(lead, input)))

    let crash (node: Node) isTold =
        node.IsAlive <- false
        node.Work <- node.Work + 1
        run.Collectives.Break(node, (fun _ -> true))

        if isTold then
            for lead in actors.Leads do
                tellLater lead (CoordinatorInput.ChannelLost(box node.Number))

            if not run.Schedule.AreRemote then
                tellLater actors.Leads[0] (CoordinatorInput.ProcessLost(Actors.ProcessOf node.Number, 137))

    let goOn (node: Node) =
        time.Say $"worker {node.Number} goes on"
        node.IsPaused <- false

        while node.Deferred.Count > 0 && not node.IsPaused do
            let action = node.Deferred.Dequeue()
            if node.IsAlive then action ()

    let pause (node: Node) seconds =
        node.IsPaused <- true
        time.Later(seconds, (fun () -> goOn node))

    let cut (node: Node) seconds =
        network.Cut node.Number
        run.Collectives.Break(node, (fun _ -> true))

        time.Later(
            seconds,
            (fun () ->
                time.Say $"worker {node.Number} is back"
                network.Mend node.Number
                run.Collectives.MeetAll())
        )

    let split worker other seconds =
        network.Split(worker, other)
        run.Collectives.Break(nodes[worker], (fun node -> node.Number = other))

        time.Later(
            seconds,
            (fun () ->
                network.Rejoin(worker, other)
                run.Collectives.MeetAll())
        )

    let crashHome () =
        actors.Leads[0].IsAlive <- false

        if not run.Schedule.AreRemote then
            for node in nodes do
                node.IsAlive <- false

    let cutHome seconds =
        network.Cut Places.Home

        time.Later(
            seconds,
            (fun () ->
                time.Say "the home is back"
                network.Mend Places.Home)
        )

    let pauseHome seconds =
        actors.PauseHome()

        time.Later(
            seconds,
            (fun () ->
                time.Say "the home goes on"
                actors.ContinueHome())
        )

    let strike fault =
        time.Say $"{fault}"

        match fault with
        | Join -> actors.Start -1
        | Crash(worker, isTold) when nodes[worker].IsAlive -> crash nodes[worker] isTold
        | Pause(worker, seconds) when nodes[worker].IsAlive && not nodes[worker].IsPaused -> pause nodes[worker] seconds
        | Cut(worker, seconds) when nodes[worker].IsAlive -> cut nodes[worker] seconds
        | Split(worker, other, seconds) when worker <> other -> split worker other seconds
        | Interrupt -> actors.Tell(actors.Leads[actors.Leads.Count - 1], CoordinatorInput.Interrupt())
        | HomeCrash -> crashHome ()
        | HomeCut seconds -> cutHome seconds
        | HomePause seconds when not actors.IsHomePaused -> pauseHome seconds
        | _ -> ()

    /// Has each fault come in its time, to workers that are there by then.
    member _.Await() =
        for at, fault in run.Schedule.Faults do
            let isOfThese worker = worker < nodes.Count
            time.Later(at, (fun () -> if List.forall isOfThese (named fault) then strike fault))
