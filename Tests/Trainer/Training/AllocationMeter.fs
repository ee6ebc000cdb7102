/// Bytes that steps and batches leave the garbage collector, as measured.
module internal CnnCluster.Tests.Trainer.Training.AllocationMeter

open System
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Kernels.Collectives
open CnnCluster.Tests.Trainer.Training.Replicas
open CnnCluster.Trainer.Protocol
open CnnCluster.Trainer.Training

/// The smallest object there is.
let smallest = 24.0

/// The steps that are counted, and after how many of them there is a figure.
let private first, private last, private stretch = 100, 400, 20

/// Bytes that a thread allocates in a step, on the average of the stretch with the fewest: tables of TorchSharp's, which all
/// threads share, grow now and then, and whoever meets a full one pays for all; and a full garbage collection, for which other
/// tests may give cause, takes the pools' buffers away from every thread.
[<Sealed>]
type Meter() =
    let mutable step = 0
    let mutable before = 0L
    let mutable least = Int64.MaxValue

    /// Called after each step, or in each at one place, by that thread.
    member _.Count() =
        step <- step + 1

        if step >= first && step <= last && (step - first) % stretch = 0 then
            let now = GC.GetAllocatedBytesForCurrentThread()

            if step > first then least <- min least (now - before)

            before <- now

    member _.Bytes =
        if step < last then invalidOp $"There were {step} steps."

        float least / float stretch

/// Of what calls back after each step.
let bytesOf (run: (unit -> unit) -> unit) =
    let meter = Meter()
    run meter.Count
    meter.Bytes

let bytesByHand makeStep =
    use _ = torch.NewDisposeScope()
    let step = makeStep ()

    bytesOf (fun count ->
        for _ in 1..last do
            step ()
            count ())

/// What `measure` comes to of the session that a worker drives, on each rank of a world of this size.
/// <param name="makeStep">A rank's step of one's own; it may make none.</param>
let ofSessions world (plan: TrainPlan) data (makeStep: unit -> OwnStep) measure =
    let run (collective: ICollective) =
        torch.set_num_threads 1
        let session = new WorkerSession(Job(), plan, torch.CPU, data, makeStep ())
        let form = FormGeneration()

        for _ in 1 .. collective.WorldSize.Value do
            form.Members.Add(Member(Share = 1))

        session.Enter(collective, form)
        measure session, session

    let sessions = Ranks.onRanks world run

    // A peer may have been in its last step until now.
    for _, session in sessions do
        session.Dispose()

    Array.map fst sessions

/// Bytes of its training steps.
let ofSteps (session: WorkerSession) =
    bytesOf (fun count -> session.TrainEpoch(1, (fun () -> false), (fun _ -> count ())) |> ignore)

/// Bytes of its validation batches.
let ofValidation (session: WorkerSession) =
    bytesOf (fun count -> session.Validate count |> ignore)

let noStep () : OwnStep = null

let agree own calls what =
    Expect.isLessThan (abs (own - calls)) smallest $"bytes a step: {own} of {what}, {calls} by hand"
