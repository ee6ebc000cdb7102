namespace CnnCluster.Tests.Trainer.Coordination.Simulation

open System.Collections.Generic
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Protocol
open Google.Protobuf

/// What the members of a generation share: their reductions, until one of them is lost to the others.
type Group(form: FormGeneration) =
    let entered = Dictionary<int64, HashSet<int>>()
    let applied = Dictionary<int64, HashSet<int>>()

    let at (sets: Dictionary<int64, HashSet<int>>) step =
        match sets.TryGetValue step with
        | true, set -> set
        | _ ->
            let set = HashSet<int> form.Members.Count
            sets[step] <- set
            set

    member val Form = form
    /// The numbers of those that have connected.
    member val Arrived = HashSet<int>()
    member val Failure: (string * int) option = None with get, set
    /// Who has entered the reduction of a step.
    member _.EnteredBy step = at entered step
    /// Who has applied it.
    member _.AppliedBy step = at applied step
    /// The step behind which one of them wants to stop, and so all do.
    member val StopsBehind: int64 option = None with get, set

/// What a thread waits for in a collective.
type Wait =
    {
        /// In whose reduction; nothing while it connects.
        Step: int64 option
        /// When it waits no longer.
        Until: float
        Succeed: unit -> unit
        Fail: string * int -> unit
    }

/// What the trace has of what workers tell each other.
module Describing =
    let words (message: IMessage) =
        match message with
        | :? RequestVote as request -> $"of term {request.Term}, probe {request.Probe}"
        | :? Vote as vote -> $"of term {vote.Term}, probe {vote.Probe}: {vote.Granted}, has voted in {vote.Voted}"
        | _ -> ""

/// A worker: its side of the protocol, and what its thread has and does.
[<AllowNullLiteral>]
type Node(number: int, place: int, slot: int, machine: WorkerMachine) =
    member _.Number = number
    /// Its number, as the coordinator's machine has it for a channel.
    member val Channel = box number
    /// The host that it is on: the home, or one by its own number.
    member _.Place = place
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
    member val Best: uint64 option = None with get, set
    member val Orders = Queue<unit -> unit>()
    member val Ordered = 0 with get, set
    member val HaltedUpTo = 0 with get, set
    member val IsBusy = false with get, set
    /// The work under way; what belongs to an earlier number has been given up.
    member val Work = 0 with get, set
    member val Group: Group | null = null with get, set
    member val StopRequested = false with get, set
    /// What its thread does next throws.
    member val IsToThrow = false with get, set
    /// For how long what its thread does next hangs.
    member val HangsFor = 0.0 with get, set
    /// When what has hung last comes on.
    member val HangsUntil = 0.0 with get, set
    /// It has failed, and no peer was to blame: it is not taken back.
    member val HasFailed = false with get, set
    /// It keeps its state, since no coordinator is left, and ends.
    member val IsLeaving = false with get, set
    member val Activity = Activity.Standing with get, set
    member val Waiting: Wait option = None with get, set
    /// A timer runs that looks whether it has waited in a reduction for too long.
    member val IsTimed = false with get, set
    /// The coordinator that it registers with, the one that took it in, and those that led before.
    member val Home = 0 with get, set
    member val Coordinator: int option = None with get, set
    member val Former = HashSet<int>()
    /// It has been chosen to lead before; it cannot; and when it has done with the last time, as it does one after the other.
    member val HasBeenChosen = false with get, set
    member val CannotLead = false with get, set
    member val TakesOverUntil = 0.0 with get, set
    /// The last coordinator that it has been told, or is about to be told, is not there any more.
    member val Missed = -1 with get, set
    /// Takes what its thread says.
    member val Report: IMessage -> unit = ignore with get, set

    /// How much longer what its thread begins now takes.
    member node.TakeHang now =
        let hang = node.HangsFor
        node.HangsFor <- 0.0
        node.HangsUntil <- max node.HangsUntil (now + hang)
        hang

    /// Does something on it: now, or when it goes on.
    member node.Do action =
        if node.IsAlive then
            if node.IsPaused then node.Deferred.Enqueue action else action ()

    /// It was stopped, and goes on: does this first, and then what has come meanwhile.
    member node.GoOn(first: unit -> unit) =
        node.IsPaused <- false
        if node.IsAlive then first ()

        while node.Deferred.Count > 0 && not node.IsPaused do
            let action = node.Deferred.Dequeue()
            if node.IsAlive then action ()

    /// Something that takes its thread some time; one that is stopped takes longer.
    member node.After(time: VirtualTime, seconds, action) =
        time.Later(seconds, (fun () -> node.Do action))

/// A coordinator on a worker's host, or on the home (-1), of a term, and since when it leads.
type Lead(number: int, host: int, term: int64, began: float, machine: CoordinatorMachine) =
    member _.Number = number
    member _.Term = term
    member _.Began = began
    member _.Host = host
    member _.Machine = machine
    member val IsAlive = true with get, set
    /// What it is sent can be written.
    member val HasRoom = true with get, set
    member val Outcome: RunOutcome | null = null with get, set
    /// When it had one.
    member val Ended = 0.0 with get, set
