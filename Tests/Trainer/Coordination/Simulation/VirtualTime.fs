namespace CnnCluster.Tests.Trainer.Coordination.Simulation

open System
open System.Collections.Generic

/// An invariant is broken.
exception Violation of string

[<AutoOpen>]
module internal Checking =
    let fail message = raise (Violation message)

/// A clock that goes to whatever happens next, with the one source of chance that all of a run draws from.
type VirtualTime(seed: int) =
    /// Lines of the trace that are kept.
    static let most = 120
    /// Seconds between two ticks of a machine.
    static let interval = 0.1

    let random = Random seed
    let events = PriorityQueue<unit -> unit, struct (float * int)>()
    /// Ticks in the order of their times, as all are behind the same interval: that spares the heap a good half of what happens.
    let ticks = Queue<struct (float * int * (unit -> unit))>()
    let trace = Queue<struct (float * (unit -> string))>()
    let mutable now = 0.0
    let mutable order = 0

    member _.Now = now

    /// As the machines are told it.
    member _.Span = TimeSpan.FromSeconds now

    /// Notes what happens, for whoever reads a failure; it is put into words only then, and so says what does not change.
    member _.Say(text: unit -> string) =
        trace.Enqueue(struct (now, text))
        if trace.Count > most then trace.Dequeue() |> ignore

    member _.Trace =
        String.Join("\n", [ for struct (time, text) in trace -> $"%8.3f{time} {text ()}" ])

    /// A number by chance.
    member _.Between(low, high) =
        low + random.NextDouble() * (high - low)

    /// Does something at a time that is not over.
    member _.At(time, action) =
        order <- order + 1
        events.Enqueue(action, struct (time, order))

    member time.Later(seconds, action) = time.At(now + seconds, action)

    /// Does something now and at every tick from now on, as long as it is wanted.
    member _.AtTicks(isWanted: unit -> bool, action: unit -> unit) =
        let rec tick () =
            if isWanted () then
                action ()
                order <- order + 1
                ticks.Enqueue(struct (now + interval, order, tick))

        tick ()

    /// Goes to what comes next, and returns it.
    member _.Next() =
        let isTick =
            match ticks.TryPeek(), events.TryPeek() with
            | (true, struct (tick, first, _)), (true, _, struct (event, other)) ->
                tick < event || tick = event && first < other
            | (hasTick, _), _ -> hasTick

        if isTick then
            let struct (time, _, action) = ticks.Dequeue()
            now <- time
            action
        else
            match events.TryDequeue() with
            | true, action, struct (time, _) ->
                now <- time
                action
            | _ -> fail "nothing happens any more"
