/// Whose votes count where the coordinator is silent.
module CnnCluster.Tests.Trainer.Coordination.SuccessionTests

open System
open Expecto
open Google.Protobuf
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Protocol

/// A member of a generation of three, which may lead the run, under a clock that is moved by hand.
type private Voter() =
    let mutable now = 0.0

    let machine =
        WorkerMachine(
            WorkerIdentity(Array.zeroCreate 16, -1, "there", 42, "cpu", 1, "self", true),
            Func<ByteString>(fun () -> ByteString.CopyFrom 1uy),
            TimeSpan.Zero
        )

    let memberOf (path: string) (incarnation: byte) =
        Member(Control = path, Incarnation = ByteString.CopyFrom incarnation)

    member _.Handle input =
        [ for effect in machine.Handle(input, TimeSpan.FromSeconds now) do
              match effect with
              | :? WorkerEffect.Send as send -> send.Message
              | :? WorkerEffect.Tell as tell -> tell.Message
              | _ -> () ]

    /// Taken in, ready, and in the middle of an epoch.
    member voter.Begin() =
        let form = FormGeneration(Generation = 1L)
        form.Members.AddRange [ memberOf "self" 1uy; memberOf "second" 2uy; memberOf "third" 3uy ]

        for message in
            [ WorkerAccepted(Slot = 3, Job = Job()) :> IMessage; form; TrainEpoch(Generation = 1L, Epoch = 1) ] do
            voter.Handle(WorkerInput.Received message) |> ignore

            if message :? FormGeneration then
                voter.Handle(WorkerInput.Reported(WorkerReady(Generation = 1L, Position = Position())))
                |> ignore

    /// Lets time pass in which no coordinator is heard of.
    member voter.Wait seconds =
        for _ in 1 .. int (seconds / 0.1) do
            now <- now + 0.1
            voter.Handle(WorkerInput.Tick()) |> ignore

    /// Whether it gives its vote to another.
    member voter.Votes() =
        voter.Handle(WorkerInput.FromPeer(RequestVote(Term = 5L, Candidate = "second")))
        |> List.exists (fun message ->
            match message with
            | :? Vote as vote -> vote.Granted
            | _ -> false)

    member voter.Fails kind =
        voter.Handle(WorkerInput.Reported(WorkerFailed(Generation = 1L, Kind = kind, Reason = "x")))
        |> List.exists (fun message -> message :? WorkerFailed)

let private begun () =
    let voter = Voter()
    voter.Begin()
    voter

[<Tests>]
let tests =
    testList
        "Trainer.Coordination.Succession"
        [ test "a vote is given where the coordinator is silent, and not before" {
              let voter = begun ()
              Expect.isFalse (voter.Votes()) "it is there"
              voter.Wait 2.0
              Expect.isTrue (voter.Votes()) "it is silent"
          }
          test
              "one that has told its coordinator that it failed, and agrees to all that that one does, votes for no other" {
              let voter = begun ()
              Expect.isTrue (voter.Fails FailureKind.Worker) "said"
              voter.Wait 2.0
              Expect.isFalse (voter.Votes()) "no vote"
          }
          test "one that fails behind its vote does not agree to its old coordinator too" {
              let voter = begun ()
              voter.Wait 2.0
              Expect.isTrue (voter.Votes()) "its vote"
              Expect.isFalse (voter.Fails FailureKind.Worker) "not said"
          }
          test "that a collective or the whole run has failed takes nobody's vote" {
              for kind in [ FailureKind.Peer; FailureKind.Run ] do
                  let voter = begun ()
                  Expect.isTrue (voter.Fails kind) "said"
                  voter.Wait 2.0
                  Expect.isTrue (voter.Votes()) $"{kind}"
          } ]
