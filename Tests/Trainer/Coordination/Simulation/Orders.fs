namespace CnnCluster.Tests.Trainer.Coordination.Simulation

open System.Collections.Generic
open Google.Protobuf
open CnnCluster.Tests.Trainer.Coordination.Simulation.Schedules
open CnnCluster.Trainer.Protocol

/// What all of a run's models share.
type Run =
    {
        Schedule: Schedule
        Sabotage: Sabotage
        Time: VirtualTime
        Network: Network
        Nodes: List<Node>
        /// Those that lead or led, in the order in which they began.
        Leads: List<Lead>
        Ledger: Ledger
        Collectives: Collectives
    }

/// What a worker's own thread has to do: one thing behind the other, each until it is answered.
type Orders(run: Run, node: Node) =
    let time = run.Time

    let proceed () =
        if not node.IsBusy && node.Orders.Count > 0 then
            node.IsBusy <- true
            node.Orders.Dequeue () ()

    let finish () =
        node.IsBusy <- false
        node.Activity <- Activity.Standing
        proceed ()

    let answer (message: IMessage) =
        node.Report message
        finish ()

    let fails kind (reason, peer) =
        if kind <> FailureKind.Peer then node.HasFailed <- true

        answer (WorkerFailed(Generation = node.Machine.Generation, Kind = kind, Reason = reason, LostPeer = peer))

    let after (low, high) action =
        node.After(time, time.Between(low, high), action)

    /// Does something behind what the thread has to do.
    member _.Add action =
        node.Ordered <- node.Ordered + 1
        node.Orders.Enqueue action
        proceed ()

    /// Says what has come of an order, and goes on to the next.
    member _.Answer message = answer message
    /// Goes on to the next without an answer.
    member _.Finish() = finish ()

    member _.Fails kind (reason, peer) = fails kind (reason, peer)

    /// Does something that takes its time.
    member _.After times action = after times action

    /// The same of what may hang.
    member _.AfterAll (low, high) action =
        let hang = node.TakeHang time.Now
        after (low + hang, high + hang) action

    /// Goes on unless what is under way has been given up meanwhile.
    member _.UnlessGivenUp action =
        let mine = node.Work
        fun () -> if node.Work = mine then action ()

    /// Does something, unless it throws.
    member _.Attempt action =
        if node.IsToThrow then
            node.IsToThrow <- false
            fails FailureKind.Worker ("it has thrown", -1)
        else
            action ()
