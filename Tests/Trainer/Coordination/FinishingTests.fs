/// The coordinator's rules where a worker hangs while the run is ending.
module CnnCluster.Tests.Trainer.Coordination.FinishingTests

open Expecto
open Google.Protobuf
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Protocol
open CnnCluster.Tests.Trainer.Coordination.CoordinatorStage

/// A run of one epoch that three workers have done; all that was asked for earlier is there.
let private finishing () =
    let stage = Stage(settings 3 1 1)
    stage.Begin()
    stage.Epoch([ 0; 1; 2 ], 1, 0.5)
    Expect.equal stage.State "Finishing" "the run is ending"

    for request in stage.Heard<DeliverState> 0 do
        if request.Name <> "final" then stage.Delivered(0, request.Name)

    stage

let private allSpeak (stage: Stage) seconds = stage.Wait(seconds, [ 0; 1; 2 ])

let private givenUp (stage: Stage) =
    [ for worker in 0..2 do
          for expulsion in stage.Heard<Expelled> worker -> worker, expulsion.Reason ]

/// Those that are left stop, form a generation and end the run.
let private endsWith (stage: Stage) workers =
    stage.Halt(workers, 10L)
    stage.Ready(workers, 10L)
    stage.Finish [ for worker in workers -> worker, "same" ]
    List.iter stage.Deliver workers
    ended stage

[<Tests>]
let tests =
    testList
        "Trainer.Coordination.CoordinatorMachine.Finishing"
        [ test "a worker that has not heard yet that it was taken in is not refused as the run ends: it is at work" {
              let stage = finishing ()
              stage.Register 0
              Expect.isEmpty (stage.Heard<WorkerRefused> 0) "a member"
              stage.Register 3
              Expect.isNonEmpty (stage.Heard<WorkerRefused> 3) "a newcomer"
          }
          test "a worker that hangs as the run ends is given up, and the others end it well" {
              let stage = finishing ()
              stage.Finish [ 0, "same"; 2, "same" ]
              stage.Delivered(0, "final")
              allSpeak stage 29.0
              Expect.equal stage.State "Finishing" "half a minute is not over"
              allSpeak stage 2.0
              let outcome = endsWith stage [ 0; 2 ]
              let worker, reason = List.exactlyOne (givenUp stage)
              Expect.equal worker 1 "the one that hangs"
              Expect.stringContains reason "has not finished within 30 s" "why"
              Expect.equal (outcome.Reason, outcome.WeightsHash) (StopReason.Epochs, "same") outcome.Message
          }
          test "several that hang at once are given up at once, and those that are left must be enough" {
              let stage = finishing ()
              stage.Finish [ 0, "same" ]
              allSpeak stage 31.0
              stage.Halt([ 0 ], 10L)
              Expect.equal stage.State "Saving" "one of three may not go on"
              stage.Deliver 0
              Expect.stringContains (ended stage).Message "Only 1 of 3 workers are left" "why"
          }
          test "one that cannot hand over a state is given up, but not for gone, and another is asked" {
              let stage = finishing ()
              stage.Finish [ for worker in 0..2 -> worker, "same" ]

              let failing token =
                  StateDelivered(
                      Name = "final",
                      Failure = "nobody is there",
                      Token = ByteString.CopyFrom(token: byte[])
                  )

              stage.Say(0, failing (Array.zeroCreate 16))
              Expect.equal stage.State "Finishing" "another coordinator has asked for that"
              stage.Say(0, failing (Array.init 16 byte))
              let outcome = endsWith stage [ 1; 2 ]
              let worker, reason = List.exactlyOne (givenUp stage)
              Expect.equal (worker, reason) (0, "could not hand over final: nobody is there") "why"
              Expect.equal (outcome.Reason, outcome.Checkpoint) (StopReason.Epochs, "final") outcome.Message
          }
          test
              "one that has finished, and whose last state does not come, is given up once; behind the second it is not the worker" {
              let stage = finishing ()
              stage.Finish [ for worker in 0..2 -> worker, "same" ]
              allSpeak stage 31.0
              stage.Halt([ 1; 2 ], 10L)
              stage.Ready([ 1; 2 ], 10L)
              Expect.equal [ for worker, _ in givenUp stage -> worker ] [ 0 ] "the one that was asked"
              stage.Finish [ 1, "same"; 2, "same" ]
              Expect.contains [ for request in stage.Heard<DeliverState> 1 -> request.Name ] "final" "another is asked"
              stage.Wait(31.0, [ 1; 2 ])
              let outcome = ended stage
              Expect.equal outcome.Reason StopReason.Failed "nothing is waited for without a bound"

              Expect.stringContains
                  outcome.Message
                  "The last states (final, step-00000010) were not written within 30 s"
                  "what is missing"
          } ]
