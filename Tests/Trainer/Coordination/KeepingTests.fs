/// States on their way when somebody is lost: what counts as kept, and what must come again.
module CnnCluster.Tests.Trainer.Coordination.KeepingTests

open Expecto
open Google.Protobuf
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Protocol
open CnnCluster.Tests.Trainer.Coordination.CoordinatorStage
open CnnCluster.Tests.Trainer.Coordination

let private ownPlace, private lostHomes =
    ByteString.CopyFrom 1uy, ByteString.CopyFrom 2uy

let private reported (voter: Voters.Voter) message =
    voter.Effects(WorkerInput.Reported message)

let private endOf (effects: WorkerEffect list) =
    effects
    |> List.tryPick (fun effect ->
        match effect with
        | :? WorkerEffect.End as ending -> Some ending.Reason
        | _ -> None)

/// No coordinator is left, and no majority: it stands, and is to keep its state.
let private leaving () =
    let voter = Voters.begun ()
    voter.Effects(WorkerInput.HomeLost()) |> ignore
    voter.Wait 31.0

    let halted =
        reported voter (WorkerHalted(Round = 0L, HasState = true, Position = Position(Step = 7L)))

    Expect.exists halted (fun effect -> effect :? WorkerEffect.Keep) "a place is looked for"
    voter

let private delivered token failure =
    StateDelivered(Name = "final", Token = token, Failure = failure)

[<Tests>]
let tests =
    testList
        "Trainer.Coordination.Keeping"
        [ test "a worker that keeps its state as it leaves does not take what the lost home had asked for for it" {
              for failure in [ ""; "nobody is there" ] do
                  let voter = leaving ()
                  Expect.isNone (endOf (reported voter (delivered lostHomes failure))) "no place was found yet"

                  let asked =
                      DeliverState(Name = "final", Content = StateContent.Checkpoint, Token = ownPlace)

                  let ordered = voter.Effects(WorkerInput.KeepsAt [| asked |])
                  Expect.exists ordered (fun effect -> effect :? WorkerEffect.Order) "it is kept there"
                  Expect.isNone (endOf (reported voter (delivered lostHomes failure))) "another's state"
                  let reason = endOf (reported voter (delivered ownPlace ""))
                  Expect.stringContains (defaultArg reason "") "no majority" "its own: it ends"
          }
          test "a worker whose state cannot be kept as it leaves says why" {
              let voter = leaving ()

              voter.Effects(WorkerInput.KeepsAt [| DeliverState(Name = "final", Token = ownPlace) |])
              |> ignore

              let reason = endOf (reported voter (delivered ownPlace "the disk is full"))
              Expect.stringEnds (defaultArg reason "") "its state could not be kept: the disk is full" "why"
          }
          test "a worker that leaves has no vote any more, does not stand, and follows nobody" {
              let voter = leaving ()
              Expect.isFalse (voter.Votes()) "asked for its vote"
              let follow = FollowCoordinator(Term = 9L, Coordinator = "there")
              Expect.isEmpty (voter.Effects(WorkerInput.FromPeer follow)) "another leads"
              Expect.isEmpty (voter.Effects(WorkerInput.Received(Halt(Round = 9L)))) "its coordinator is back"

              Expect.isEmpty
                  [ for _ in 1..40 do
                        yield! voter.After 0.1 ]
                  "time"
          }
          test "a coordinator that a worker's process has ready when the worker leaves is none of anybody's, and ends" {
              let ended = (leaving ()).Effects(WorkerInput.Leads(3L, "there"))
              Expect.equal [ for effect in ended -> string effect ] [ string (WorkerEffect.Retire 3L) ] "at once"
          }
          test "a worker that leaves looks for a place once, and for no longer than two minutes" {
              let voter = leaving ()

              let again =
                  reported voter (WorkerHalted(Round = 0L, HasState = true, Position = Position(Step = 7L)))

              Expect.isEmpty again "it is looked for"
              Expect.isEmpty (voter.After 300.0) "it stood still itself"
              Expect.isEmpty (List.collect voter.After [ for _ in 1..1180 -> 0.1 ]) "a disk may stand still"

              Expect.stringContains
                  (defaultArg (endOf (List.collect voter.After [ for _ in 1..30 -> 0.1 ])) "")
                  "within 2 min"
                  "not for ever"
          }
          test "the best weights come from another worker where the one that sent them is lost" {
              let stage = begun 3
              stage.Epoch([ 0; 1; 2 ], 1, 0.5)

              let asked worker =
                  [ for request in stage.Heard<DeliverState> worker -> request.Name ]

              Expect.contains (asked 0) "best-step-00000010" "they are on their way"
              stage.Say(0, WorkerFailed(Generation = 1L, Kind = FailureKind.Worker, Reason = "no memory"))
              stage.Halt([ 1; 2 ], 10L)
              stage.Ready([ 1; 2 ], 10L)
              Expect.contains (asked 1 @ asked 2) "best" "a resumed run needs them"
          } ]
