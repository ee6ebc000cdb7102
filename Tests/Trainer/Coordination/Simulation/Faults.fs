namespace CnnCluster.Tests.Trainer.Coordination.Simulation

open System.Collections.Generic
open CnnCluster.Tests.Trainer.Coordination.Simulation.Schedules
open CnnCluster.Trainer.Coordination.Machines

/// Does to a run what its schedule says.
type Faults(run: Run, actors: Actors) =
    let time, network, nodes = run.Time, run.Network, run.Nodes

    let tellLater lead input =
        time.Later(time.Between(0.01, 0.1), (fun () -> actors.Tell(lead, input)))

    let tellAll (input: CoordinatorInput) =
        for lead in actors.Leads do
            tellLater lead input

    /// A coordinator sees that its process' connection to a worker's has ended.
    let loseChannels isHit =
        for lead in actors.Leads do
            for node in nodes do
                if isHit lead.Host node.Place then
                    tellLater lead (CoordinatorInput.ChannelBroken node.Channel)

    let crash (node: Node) isTold =
        node.IsAlive <- false
        node.Work <- node.Work + 1
        run.Collectives.Break(node, (fun _ -> true))

        if isTold then
            tellAll (
                match int (time.Between(0.0, 3.0)) with
                | 0 -> CoordinatorInput.ChannelLost node.Channel :> CoordinatorInput
                | 1 -> CoordinatorInput.ChannelDoubted node.Channel
                | _ -> CoordinatorInput.ChannelBroken node.Channel
            )

            // Where the host lives on it says that nobody listens there any more.
            if time.Between(0.0, 1.0) < 0.5 then
                tellAll (CoordinatorInput.ChannelRefused node.Channel)

            if Identities.isStartedByHome run.Schedule node.Number then
                tellLater actors.Leads[0] (CoordinatorInput.ProcessLost(Identities.processOf node.Number, 137))

    let goOn (node: Node) =
        time.Say(fun () -> $"worker {node.Number} goes on")
        node.GoOn ignore

    let pause (node: Node) seconds =
        node.IsPaused <- true
        time.Later(seconds, (fun () -> goOn node))

    let placeOf worker =
        if worker = Home then Home else nodes[worker].Place

    /// Breaks the connections of those that do not reach each other any more.
    let breakApart () =
        loseChannels (fun a b -> network.IsApart(a, b))

        for node in List.ofSeq nodes do
            run.Collectives.Break(node, (fun other -> network.IsApart(node.Place, other.Place)))

    let cut (node: Node) seconds =
        network.Cut node.Place
        loseChannels (fun a b -> network.IsApart(a, b))
        run.Collectives.Break(node, (fun _ -> true))

        time.Later(
            seconds,
            (fun () ->
                time.Say(fun () -> $"worker {node.Number} is back")
                network.Mend node.Place
                run.Collectives.MeetAll())
        )

    let split worker other seconds =
        network.Split(worker, other)
        breakApart ()

        time.Later(
            seconds,
            (fun () ->
                network.Rejoin(worker, other)
                run.Collectives.MeetAll())
        )

    let crashHome () =
        actors.Leads[0].IsAlive <- false

        for node in nodes do
            if actors.EndsWithHome node && node.IsAlive then crash node false

    let cutHome seconds =
        network.Cut Home
        breakApart ()

        time.Later(
            seconds,
            (fun () ->
                time.Say(fun () -> "the home is back")
                network.Mend Home
                run.Collectives.MeetAll())
        )

    let pauseHome seconds =
        actors.PauseHome()

        for node in nodes do
            if node.Place = Home && node.IsAlive && not node.IsPaused then
                pause node seconds

        time.Later(
            seconds,
            (fun () ->
                time.Say(fun () -> "the home goes on")
                actors.ContinueHome())
        )

    let part workers hasHome seconds =
        let side = HashSet<int>(workers |> List.map placeOf |> List.filter ((<>) Home))
        if hasHome then side.Add Home |> ignore
        network.Part side
        breakApart ()

        time.Later(
            seconds,
            (fun () ->
                time.Say(fun () -> "the network is whole")
                network.Reunite side
                run.Collectives.MeetAll())
        )

    /// Breaks a connection of the control plane, which comes back a little later, and breaks again.
    let rec flicker a b until =
        network.Silence(a, b)
        loseChannels (fun host place -> (host, place) = (a, b) || (host, place) = (b, a))

        time.Later(
            time.Between(0.1, 1.5),
            (fun () ->
                network.Reconnect(a, b)
                let next = time.Between(0.1, 2.0)

                if time.Now + next < until then
                    time.Later(next, (fun () -> flicker a b until)))
        )

    let fillDisk seconds =
        let home = actors.Leads[0]
        home.HasRoom <- false

        if System.Double.IsFinite seconds then
            time.Later(
                seconds,
                (fun () ->
                    time.Say(fun () -> "the home's disk has room")
                    home.HasRoom <- true)
            )

    /// The step behind the next one of the most advanced is the first that nobody can take.
    let diverge () =
        if run.Ledger.Divergence = System.Int64.MaxValue then
            run.Ledger.Divergence <-
                2L
                + Seq.max (Seq.append [ 0L ] (Seq.map (fun (node: Node) -> node.Position.Step) nodes))

    let strike fault =
        time.Say(fun () -> $"{fault}")

        match fault with
        | Join -> actors.Start -1
        | Crash(worker, isTold) when nodes[worker].IsAlive -> crash nodes[worker] isTold
        | Pause(worker, seconds) when nodes[worker].IsAlive && not nodes[worker].IsPaused -> pause nodes[worker] seconds
        | Cut(worker, seconds) when nodes[worker].IsAlive && nodes[worker].Place <> Home -> cut nodes[worker] seconds
        | Split(worker, other, seconds) when placeOf worker <> placeOf other ->
            split (placeOf worker) (placeOf other) seconds
        | Interrupt -> actors.Tell(actors.Newest, CoordinatorInput.Interrupt())
        | HomeCrash -> crashHome ()
        | HomeCut seconds -> cutHome seconds
        | HomePause seconds when not actors.IsHomePaused -> pauseHome seconds
        | Rumour worker when nodes[worker].IsAlive ->
            tellAll (
                if time.Between(0.0, 1.0) < 0.5 then
                    CoordinatorInput.ChannelDoubted nodes[worker].Channel :> CoordinatorInput
                else
                    CoordinatorInput.ChannelBroken nodes[worker].Channel
            )
        | Throw worker when nodes[worker].IsAlive -> nodes[worker].IsToThrow <- true
        | Hang(worker, seconds) when nodes[worker].IsAlive -> nodes[worker].HangsFor <- seconds
        | Diverge -> diverge ()
        | FullDisk seconds when actors.Leads[0].HasRoom -> fillDisk seconds
        | Partition(workers, hasHome, seconds) -> part workers hasHome seconds
        | Flicker(worker, other, seconds) when placeOf worker <> placeOf other ->
            flicker (placeOf worker) (placeOf other) (time.Now + seconds)
        | Lossy seconds -> network.Lose(time.Now + seconds)
        | Delay(worker, other, seconds) when placeOf worker <> placeOf other ->
            network.Slow(placeOf worker, placeOf other, time.Now + seconds)
        | _ -> ()

    /// Has each fault come in its time, to workers that are there by then.
    member _.Await() =
        for at, fault in run.Schedule.Faults do
            let isOfThese worker = worker < nodes.Count
            time.Later(at, (fun () -> if List.forall isOfThese (named fault) then strike fault))
