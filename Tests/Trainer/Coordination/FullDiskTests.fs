/// The coordinator's rules where states reach the run's home, and cannot be kept there.
module CnnCluster.Tests.Trainer.Coordination.FullDiskTests

open Expecto
open Google.Protobuf
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Protocol
open CnnCluster.Tests.Trainer.Coordination.CoordinatorStage

/// The home refuses this state, in these words.
let private refuseSaying (reason: string) (stage: Stage) worker name =
    stage.Say(
        worker,
        StateDelivered(Name = name, Failure = reason, Refused = true, Token = ByteString.CopyFrom(Array.init 16 byte))
    )

let private refuse = refuseSaying "no space left"

/// What a worker was asked for since this was last asked.
let private asked (stage: Stage) worker =
    [ for request in stage.Heard<DeliverState> worker -> request.Name ]

/// The states that were said not to be kept, each with why.
let private said (stage: Stage) =
    stage.Events
    |> Seq.choose (fun event ->
        match event with
        | :? StateNotKept as lost -> Some(lost.Name, lost.Reason)
        | _ -> None)
    |> List.ofSeq

/// Nobody was given up, nor halted.
let private expectUntouched (stage: Stage) =
    for worker in 0..1 do
        Expect.isEmpty (stage.Heard<Expelled> worker) "the worker is kept"
        Expect.isEmpty (stage.Heard<Halt> worker) "no regroup"

/// Lets seconds pass in which the home refuses all that it is sent again, under other names of its own.
let private refusing (stage: Stage) seconds =
    for second in 1..seconds do
        stage.Wait(1.0, [ 0; 1 ])

        for name in asked stage 0 do
            refuseSaying $"no space left at {second}" stage 0 name

/// Two workers have done all epochs; all that was asked for before the last state is there, and that is refused.
let private finishing () =
    let stage = Stage(settings 2 1 1)
    stage.Begin()
    stage.Epoch([ 0; 1 ], 1, 0.5)
    stage.Finish [ 0, "same"; 1, "same" ]

    for name in asked stage 0 do
        if name = "final" then refuse stage 0 name else stage.Delivered(0, name)

    stage

[<Tests>]
let tests =
    testList
        "Trainer.Coordination.CoordinatorMachine.Full disk"
        [ test "a checkpoint that the home cannot keep costs no worker: it is said, and training goes on" {
              let stage = begun 2
              stage.Epoch([ 0; 1 ], 1, 0.5)

              for name in asked stage 0 do
                  refuse stage 0 name

              Expect.equal stage.State "Training" "the next epoch"
              expectUntouched stage

              Expect.equal
                  (said stage)
                  [ "best-step-00000010", "no space left"; "histograms-00000001", "no space left" ]
                  "each is said"

              stage.Epoch([ 0; 1 ], 2, 0.4)
              stage.Deliver 0
              expectUntouched stage
          }
          test "the best weights, where they could not be kept, are asked for again behind the next epoch" {
              let stage = begun 2
              let names = [ "step-00000020"; "histograms-00000002" ]
              stage.Epoch([ 0; 1 ], 1, 0.5)
              refuse stage 0 "best-step-00000010"
              asked stage 0 |> ignore
              stage.Epoch([ 0; 1 ], 2, 0.6)
              Expect.equal (List.sort (asked stage 0)) (List.sort ("best" :: names)) "a resumed run needs them"
              stage.Delivered(0, "best")
              stage.Epoch([ 0; 1 ], 3, 0.6)
              Expect.isFalse (List.contains "best" (asked stage 0)) "once"
          }
          test "each decision says behind which step the best epoch was measured" {
              let stage = begun 2

              let best (heard: EpochDecided) =
                  heard.EarlyStopping.BestEpoch, heard.EarlyStopping.BestStep

              stage.Epoch([ 0; 1 ], 1, 0.5)
              Expect.equal (best (stage.Last<TrainEpoch> 0).Decided) (1, 10L) "the first"
              stage.Epoch([ 0; 1 ], 2, 0.6)
              Expect.equal (best (stage.Last<TrainEpoch> 0).Decided) (1, 10L) "still"
              stage.Epoch([ 0; 1 ], 3, 0.4)
              Expect.equal (best (stage.Last<TrainEpoch> 0).Decided) (3, 30L) "a better one"
          }
          test "the last state is tried again for half a minute, and the run ends well where there is room by then" {
              let stage = finishing ()
              refusing stage 10
              Expect.equal (said stage) [ "final", "no space left" ] "said once"
              expectUntouched stage
              stage.Wait(1.0, [ 0; 1 ])
              stage.Deliver 0
              let outcome = ended stage
              Expect.equal (outcome.Reason, outcome.Checkpoint) (StopReason.Epochs, "final") outcome.Message
          }
          test "where the last state cannot be kept the run fails with what the home says, and gives nobody up" {
              let stage = finishing ()
              refusing stage 31
              let outcome = ended stage
              expectUntouched stage

              Expect.equal
                  (outcome.Reason, outcome.Message, outcome.Checkpoint)
                  (StopReason.Failed,
                   "The last states (final) could not be written: no space left",
                   "best-step-00000010")
                  "the disk, and not a worker"
          }
          test "a run that ends before its time says what kept its state from being saved" {
              let stage = begun 2
              stage.Say(0, WorkerFailed(Generation = 1L, Kind = FailureKind.Run, Reason = "the loss diverged"))
              stage.Halt([ 0; 1 ], 4L)
              Expect.equal stage.State "Saving" "its state is to be kept"

              for name in asked stage 0 do
                  refuse stage 0 name

              Expect.isNone stage.Outcome "it is tried again"
              refusing stage 31
              Expect.stringEnds (ended stage).Message "Its last state could not be saved: no space left" "why"
          } ]
