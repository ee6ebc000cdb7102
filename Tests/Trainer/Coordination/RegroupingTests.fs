/// The coordinator's rules where workers are lost or come: who stops, and who goes on.
module CnnCluster.Tests.Trainer.Coordination.RegroupingTests

open System
open Expecto
open Google.Protobuf
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Protocol
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Trainer.Coordination.CoordinatorStage

/// Of a script that has one.
let private oneFigure =
    let sums = EpochSums(Samples = 1L)
    sums.Figures.Add 1.0
    sums

[<Tests>]
let tests =
    testList
        "Trainer.Coordination.CoordinatorMachine.Regrouping"
        [ test "a lost process' workers are done without: the others stop, and go on from the most advanced" {
              let stage = begun 3
              stage.Handle(CoordinatorInput.ProcessLost(101, 137))
              Expect.equal stage.State "Regrouping" "they are asked where they stand"
              stage.Halt([ 0 ], 6L)
              stage.Halt([ 2 ], 7L)
              let form = stage.Last<FormGeneration> 0
              Expect.equal [ for m in form.Members -> m.Slot ] [ 0; 2 ] "those that are left"

              Expect.equal
                  (form.Source, form.Position.Step, form.Synchronise)
                  (1, 7L, true)
                  "the step that one has applied"

              stage.Ready([ 0; 2 ], 7L)

              let regrouped =
                  stage.Events
                  |> Seq.pick (function
                      | :? RunRegrouped as r -> Some r
                      | _ -> None)

              Expect.stringContains regrouped.Reason "killed by signal 9" "why"
              Expect.equal (regrouped.Step, regrouped.LostSteps) (7L, 0L) "nothing is lost"
              Expect.equal (stage.Last<TrainEpoch> 2).Generation 2L "and on"
          }
          test "a peer that complains first is not the reason: what it complains of is" {
              let stage = begun 2
              let complaint = "rank 1 did not answer"
              stage.Say(0, WorkerFailed(Generation = 1L, Kind = FailureKind.Peer, Reason = complaint, LostPeer = 1))
              stage.Handle(CoordinatorInput.ProcessLost(101, 137))
              stage.Halt([ 0 ], 6L)
              stage.Ready([ 0 ], 6L)

              let reason =
                  stage.Events
                  |> Seq.pick (function
                      | :? RunRegrouped as r -> Some r.Reason
                      | _ -> None)

              Expect.stringContains reason "killed by signal 9" "the cause"
          }
          test "a host's workers are ranked one behind the other, whenever they came" {
              let stage = Stage(settings 4 1 10)
              stage.Prepare(0, host = "here")
              stage.Prepare(1, host = "there")
              stage.Prepare(2, host = "here")
              stage.Prepare(3, host = "there")
              let form = stage.Last<FormGeneration> 0
              Expect.equal [ for m in form.Members -> m.Slot ] [ 0; 2; 1; 3 ] "here, then there"
          }
          test "one that is silent is given up; what it says afterwards is not heard" {
              let stage = begun 3
              stage.Wait(6.0, [ 0; 2 ])
              stage.Halt([ 0; 2 ], 3L)
              Expect.stringContains (stage.Last<Expelled> 1).Reason "silent" "why"
              stage.Ready([ 0; 2 ], 3L)
              stage.Say(1, EpochTrained(Generation = 2L, Epoch = 1))
              Expect.equal stage.State "Training" "not heard"
              stage.Say(1, WorkerFailed(Generation = 2L, Kind = FailureKind.Run, Reason = "x"))
              Expect.equal stage.State "Training" "nor that"
          }
          test "the smaller side stops, and keeps a checkpoint" {
              let stage = begun 3
              stage.Wait(6.0, [ 0 ])
              stage.Halt([ 0 ], 4L)
              Expect.equal stage.State "Saving" "it does not go on"
              stage.Deliver 0
              let outcome = ended stage
              Expect.stringContains outcome.Message "Only 1 of 3 workers are left on this side" "why"
              Expect.equal outcome.Checkpoint "step-00000004" "resumable"
          }
          test "just half may go on with the home" {
              let stage = begun 2
              stage.Wait(6.0, [ 0 ])
              stage.Halt([ 0 ], 4L)
              Expect.equal stage.State "Connecting" "on"
          }
          test "a collective that fails loses nobody: all form again" {
              let stage = begun 2
              stage.Say(0, WorkerFailed(Generation = 1L, Kind = FailureKind.Peer, Reason = "closed", LostPeer = 1))
              stage.Halt([ 0; 1 ], 2L)
              Expect.hasLength (stage.Last<FormGeneration> 0).Members 2 "both"
          }
          test "whom its peers do not reach is given up at the third attempt" {
              let stage = begun 3

              let rec attempt generation =
                  if stage.State <> "Training" || generation = 1L then
                      stage.Say(
                          0,
                          WorkerFailed(
                              Generation = generation,
                              Kind = FailureKind.Peer,
                              Reason = "no way",
                              LostPeer = 2
                          )
                      )

                  if (stage.Heard<Expelled> 2).IsEmpty && generation < 10L then
                      stage.Halt([ 0; 1 ], 2L)

                      match stage.Heard<Halt> 2 with
                      | [] -> ()
                      | halts ->
                          stage.Say(
                              2,
                              WorkerHalted(
                                  Round = (List.last halts).Round,
                                  HasState = true,
                                  Position = Position(Step = 2L)
                              )
                          )

                      attempt (generation + 1L)
                  else
                      generation

              Expect.isLessThan (attempt 1L) 6L "given up"
          }
          test "a worker that throws is done without; a run that diverged ends" {
              let stage = begun 2

              stage.Say(
                  1,
                  WorkerFailed(Generation = 1L, Kind = FailureKind.Worker, Reason = "out of memory", LostPeer = -1)
              )

              stage.Halt([ 0 ], 2L)
              Expect.hasLength (stage.Last<FormGeneration> 0).Members 1 "the other"
              stage.Ready([ 0 ], 2L)

              stage.Say(
                  0,
                  WorkerFailed(
                      Generation = 2L,
                      Kind = FailureKind.Run,
                      Reason = "the loss is not finite",
                      LostPeer = -1
                  )
              )

              stage.Halt([ 0 ], 2L)
              stage.Deliver 0
              Expect.stringContains (ended stage).Message "the loss is not finite" "why"
          }
          test "a newcomer joins from the next step, and has its state from the others" {
              let stage = begun 1
              stage.Prepare(5, slot = -1)
              stage.Halt([ 0 ], 8L)
              let form = stage.Last<FormGeneration> 5
              Expect.equal [ for m in form.Members -> m.Slot ] [ 0; 1 ] "the next slot"
              Expect.equal (form.Source, form.Synchronise) (0, true) "from the one that trained"
          }
          test "a newcomer waits while the others validate" {
              let stage = begun 1
              let sums = EpochSums(Samples = 1L)
              sums.Figures.Add 1.0
              stage.Say(0, EpochTrained(Generation = 1L, Epoch = 1, Step = 10L, Sums = sums, Seconds = 1.0))
              stage.Prepare(5, slot = -1)
              Expect.equal stage.State "Validating" "not yet"
              stage.Say(0, Validated(Generation = 1L, Epoch = 1, Sums = sums))
              Expect.equal stage.State "Regrouping" "before the next epoch"
          }
          test "with too few the run waits, holds its state, and goes on when another has come" {
              let stage = Stage(settings 2 2 10)
              stage.Begin()
              stage.Handle(CoordinatorInput.ProcessLost(101, 137))
              stage.Halt([ 0 ], 5L)
              Expect.equal stage.State "Waiting" "for another"
              stage.Wait(20.0, [ 0 ])
              stage.Prepare(6, slot = -1)
              Expect.equal (stage.Last<FormGeneration> 6).Position.Step 5L "from where it stood"
          }
          test "a command that was not answered is said again, to that worker alone" {
              let stage = begun 2
              stage.Heard<TrainEpoch> 0 |> ignore
              stage.Heard<TrainEpoch> 1 |> ignore

              stage.Say(0, EpochTrained(Generation = 1L, Epoch = 1, Step = 10L, Sums = oneFigure, Seconds = 1.0))

              stage.Wait(1.5, [ 0; 1 ])
              Expect.isEmpty (stage.Heard<TrainEpoch> 0) "has answered"
              Expect.isNonEmpty (stage.Heard<TrainEpoch> 1) "has not"
          }
          test "one that has not heard that it was given up is told again" {
              let stage = begun 3
              stage.Wait(6.0, [ 0; 2 ])
              stage.Say(1, Heartbeat(Generation = 1L))

              Expect.isEmpty
                  (stage.Heard<Expelled> 1)
                  "not before the others are known to go on: its vote may be needed"

              stage.Halt([ 0; 2 ], 3L)
              Expect.hasLength (stage.Heard<Expelled> 1) 1 "told"
              stage.Say(1, Heartbeat(Generation = 1L))
              Expect.hasLength (stage.Heard<Expelled> 1) 1 "again"
          }
          test "a home that stood still gives nobody up for it" {
              let stage = begun 2
              stage.Wait(2.0, [ 0; 1 ])
              stage.Pass 60.0
              stage.Handle(CoordinatorInput.Tick())
              Expect.equal stage.State "Training" "what they said meanwhile is still to be read"
              stage.Wait(7.0, [ 0 ])
              stage.Halt([ 0 ], 3L)
              Expect.isNonEmpty (stage.Heard<Expelled> 1) "and then as ever"
          }
          test "a process that the operating system knows to be gone agrees, also where it was given up before" {
              let stage = begun 3
              stage.Handle(CoordinatorInput.ChannelLost(box 1))
              stage.Handle(CoordinatorInput.ChannelLost(box 2))
              stage.Handle(CoordinatorInput.ProcessLost(101, 137))
              stage.Handle(CoordinatorInput.ProcessLost(102, 137))
              stage.Halt([ 0 ], 4L)
              Expect.equal stage.State "Connecting" "one of three goes on"
          }
          test "a state that was asked for earlier is not the one that the run ends with" {
              let stage = begun 3
              stage.Epoch([ 0; 1; 2 ], 1, 0.5)
              let earlier = stage.Heard<DeliverState> 0
              stage.Wait(6.0, [ 0 ])
              stage.Halt([ 0 ], 14L)

              for request in earlier do
                  stage.Delivered(0, request.Name)

              Expect.equal stage.State "Saving" "not yet"
              stage.Wait(2.0, [ 0 ])
              Expect.isGreaterThan (stage.Heard<DeliverState> 0).Length 1 "asked again"
              stage.Delivered(0, "step-00000014")

              Expect.equal
                  stage.State
                  "Saving"
                  "the best weights might have ended with the worker that had them on their way"

              stage.Delivered(0, "best")
              Expect.equal (ended stage).Checkpoint "step-00000014" "this one"
          }
          test "a newcomer that never had the run's state does not stand for it" {
              let stage = begun 1
              stage.Epoch([ 0 ], 1, 0.5)
              stage.Prepare(5, slot = -1)
              stage.Halt([ 0 ], 10L)
              stage.Handle(CoordinatorInput.ChannelLost(box 0))
              stage.Halt([ 5 ], 0L)
              Expect.stringContains (ended stage).Message "No worker is left" "its step 0 is not saved"
          }
          test "a run that fails, and whose workers are gone before their state is saved, says so" {
              let stage = begun 1
              stage.Say(0, WorkerFailed(Generation = 1L, Kind = FailureKind.Run, Reason = "the loss diverged"))
              stage.Handle(CoordinatorInput.ChannelLost(box 0))
              Expect.stringContains (ended stage).Message "the loss diverged No worker is left" "nothing is saved"
          }
          test "an interrupt whose message was lost is said again" {
              let stage = begun 1
              stage.Handle(CoordinatorInput.Interrupt())
              stage.Heard<StopAtNextStep> 0 |> ignore
              stage.Wait(1.5, [ 0 ])
              Expect.isNonEmpty (stage.Heard<StopAtNextStep> 0) "again"
          }
          test "quorum: more than half, or half with the home; the dead agree" {
              Expect.equal
                  [ Quorum.Allows(3, 2, 0, false)
                    Quorum.Allows(3, 1, 0, true)
                    Quorum.Allows(4, 2, 0, true)
                    Quorum.Allows(4, 2, 0, false)
                    Quorum.Allows(4, 1, 2, false)
                    Quorum.Allows(2, 0, 2, true) ]
                  [ true; false; true; false; true; false ]
                  "who may form the next generation"
          } ]
