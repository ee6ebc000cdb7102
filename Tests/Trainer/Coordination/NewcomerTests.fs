/// Nodes that are in no generation, and whose coordinator is lost: they have no vote, and others may have chosen already.
module CnnCluster.Tests.Trainer.Coordination.NewcomerTests

open Expecto
open Google.Protobuf
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Protocol
open CnnCluster.Tests.Trainer.Coordination
open CnnCluster.Tests.Trainer.Coordination.Voters

let private accept (voter: Voter) (peers: string list) =
    let welcome = WorkerAccepted(Slot = 4, Job = Job())
    welcome.Peers.AddRange peers
    voter.Handle(WorkerInput.Received welcome) |> ignore

/// It was part of a generation, was given up, and has been taken in anew.
let private cameAnew () =
    let voter = begun ()
    voter.Handle(WorkerInput.Received(Expelled(Reason = "was silent"))) |> ignore
    accept voter []
    voter

/// It has come for the first time, while these were there.
let private newcomer peers =
    let voter = Voter 0
    accept voter peers
    voter

/// Who is asked within the next seconds, and why it ends, if it does.
let private follow (voter: Voter) (seconds: float) =
    let effects =
        [ for _ in 1 .. int (seconds / 0.1) do
              yield! voter.After 0.1 ]

    let asked =
        effects
        |> List.choose (fun effect ->
            match effect with
            | :? WorkerEffect.Tell as tell when (tell.Message :? RegisterWorker) -> Some tell.Path
            | _ -> None)
        |> List.distinct
        |> List.sort

    let reason =
        effects
        |> List.tryPick (fun effect ->
            match effect with
            | :? WorkerEffect.End as ending -> Some ending.Reason
            | _ -> None)

    asked, reason

let private lose (voter: Voter) =
    voter.Effects(WorkerInput.HomeLost())
    |> List.tryPick (fun effect ->
        match effect with
        | :? WorkerEffect.End as ending -> Some ending.Reason
        | _ -> None)

[<Tests>]
let tests =
    testList
        "Trainer.Coordination.Newcomers"
        [ test "one that knows others asks them for another coordinator when its own is gone, and goes over" {
              for case, voter, known in
                  [ "come anew", cameAnew (), [ "second"; "third" ]
                    "just come", newcomer [ "self"; "first"; "second" ], [ "first"; "second" ] ] do
                  Expect.isNone (lose voter) $"{case}: it lives on"
                  Expect.equal (follow voter 2.0) (known, None) $"{case}: whom it asks"
                  let chosen = FollowCoordinator(Term = 1L, Coordinator = "there")

                  Expect.exists
                      (voter.Effects(WorkerInput.FromPeer chosen))
                      (fun effect -> effect :? WorkerEffect.Follow)
                      $"{case}: goes over"

                  Expect.exists (voter.Pass 0.3) (fun message -> message :? RegisterWorker) $"{case}: registers there"
          }
          test "one that is given up just before, and has not been taken in again, asks too" {
              let voter = begun ()
              voter.Handle(WorkerInput.Received(Expelled(Reason = "was silent"))) |> ignore
              Expect.isNone (lose voter) "it lives on"
              Expect.equal (follow voter 1.0) ([ "second"; "third" ], None) "at once"
          }
          test "where its coordinator is silent it asks before it is told that it is gone" {
              let voter = cameAnew ()
              Expect.equal (follow voter 2.5) ([], None) "a word may be late"
              Expect.equal (follow voter 2.0) ([ "second"; "third" ], None) "behind three seconds"
              voter.Handle(WorkerInput.Received(CoordinatorBeat())) |> ignore
              Expect.equal (follow voter 2.0) ([], None) "it is there after all"
          }
          test "where nobody is found it ends, behind half a minute" {
              for voter in [ cameAnew (); newcomer [ "first" ] ] do
                  Expect.isNone (lose voter) "it lives on"
                  Expect.isNone (snd (follow voter 29.5)) "others have half a minute, too"

                  let reason =
                      Expect.wantSome (snd (follow voter 1.0)) "nothing is waited for without a bound"

                  Expect.stringStarts reason "the run's home is gone" "why"
          }
          test "one that knows nobody, or has failed, ends at once" {
              Expect.equal (lose (newcomer [])) (Some "the run's home is gone") "nobody to ask"
              let failed = newcomer [ "first" ]
              let failure = WorkerFailed(Kind = FailureKind.Worker, Reason = "no memory")
              failed.Handle(WorkerInput.Reported failure) |> ignore
              Expect.equal (lose failed) (Some "the run's home is gone") "nobody would take it"
          }
          test "a coordinator tells those that come who else is there" {
              let stage = CoordinatorStage.begun 2

              let come (worker: int) =
                  stage.Say(
                      worker,
                      RegisterWorker(
                          JoinToken = ByteString.CopyFrom(Array.init 16 byte),
                          Slot = -1,
                          Host = "there",
                          ProcessId = worker,
                          Process = CoordinatorStage.processOf worker,
                          Share = 1,
                          Control = $"path {worker}",
                          Incarnation = ByteString.CopyFrom(byte (worker + 1))
                      )
                  )

                  List.ofSeq (stage.Last<WorkerAccepted> worker).Peers

              Expect.equal (come 2) [] "those of the home's processes have no path here"
              Expect.equal (come 3) [ "path 2" ] "the one before"
              stage.Wait(1.5, [])
              Expect.equal (come 2) [ "path 3" ] "it asks once more"
          } ]
