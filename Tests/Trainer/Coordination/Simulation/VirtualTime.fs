namespace CnnCluster.Tests.Trainer.Coordination.Simulation

open System
open System.Collections.Generic

/// An invariant is broken.
exception Violation of string

/// A clock that goes to whatever happens next, with the one source of chance that all of a run draws from.
type VirtualTime(seed: int) =
    /// Lines of the trace that are kept.
    static let most = 120

    let random = Random seed
    let events = PriorityQueue<unit -> unit, struct (float * int)>()
    let trace = Queue<struct (float * string)>()
    let mutable now = 0.0
    let mutable order = 0

    member _.Now = now

    /// As the machines are told it.
    member _.Span = TimeSpan.FromSeconds now

    /// Notes what happens, for whoever reads a failure.
    member _.Say text =
        trace.Enqueue(struct (now, text))
        if trace.Count > most then trace.Dequeue() |> ignore

    member _.Trace =
        String.Join("\n", [ for struct (time, text) in trace -> $"%8.3f{time} {text}" ])

    /// A number by chance.
    member _.Between(low, high) =
        low + random.NextDouble() * (high - low)

    member _.Later(seconds, action) =
        order <- order + 1
        events.Enqueue(action, struct (now + seconds, order))

    /// Goes to what comes next, and returns it.
    member _.TryNext() =
        match events.TryDequeue() with
        | true, action, struct (time, _) ->
            now <- time
            Some action
        | _ -> None

[<AutoOpen>]
module internal Checking =
    let fail message = raise (Violation message)
