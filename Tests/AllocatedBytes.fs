/// What code that runs again and again leaves the garbage collector, as measured.
module CnnCluster.Tests.AllocatedBytes

open System

/// The smallest object there is.
let smallest = 24.0

/// The rounds that are counted, and after how many of them there is a figure.
let private first, private stretch = 70, 30

/// How many rounds have to be counted.
let rounds = 220

/// Bytes that a thread allocates in a round, on the average of the stretch with the fewest: tables of TorchSharp's, which all
/// threads share, grow now and then, and whoever meets a full one pays for all; and a full garbage collection, for which other
/// tests may give cause, takes the pools' buffers away from every thread.
[<Sealed>]
type Meter() =
    let mutable round = 0
    let mutable before = 0L
    let mutable least = Int64.MaxValue

    /// Called after each round, or in each at one place, by that thread.
    member _.Count() =
        round <- round + 1

        if round >= first && round <= rounds && (round - first) % stretch = 0 then
            let now = GC.GetAllocatedBytesForCurrentThread()

            if round > first then least <- min least (now - before)

            before <- now

    member _.Bytes =
        if round < rounds then invalidOp $"There were {round} rounds."

        float least / float stretch

/// Of what calls back after each round.
let bytesARound (run: (unit -> unit) -> unit) =
    let meter = Meter()
    run meter.Count
    meter.Bytes
