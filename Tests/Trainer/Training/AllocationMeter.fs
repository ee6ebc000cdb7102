/// Bytes that steps and batches leave the garbage collector, as measured.
module internal CnnCluster.Tests.Trainer.Training.AllocationMeter

open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Tests.AllocatedBytes
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Kernels.Collectives
open CnnCluster.Tests.Trainer.Training.Replicas
open CnnCluster.Trainer.Protocol
open CnnCluster.Trainer.Training

let bytesByHand makeStep =
    use _ = torch.NewDisposeScope()
    let step = makeStep ()

    bytesARound (fun count ->
        for _ in 1..rounds do
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
    bytesARound (fun count -> session.TrainEpoch(1, (fun () -> false), (fun _ -> count ())) |> ignore)

/// Bytes of its validation batches.
let ofValidation (session: WorkerSession) =
    bytesARound (fun count -> session.Validate count |> ignore)

let noStep () : OwnStep = null

let agree own calls what =
    Expect.isLessThan (abs (own - calls)) smallest $"bytes a step: {own} of {what}, {calls} by hand"
