/// The coordinator's rules where a worker hangs, is slow, or is taken for gone.
module CnnCluster.Tests.Trainer.Coordination.HeldUpTests

open Expecto
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Protocol
open CnnCluster.Tests.Trainer.Coordination.CoordinatorStage

/// Of a script that has one.
let private oneFigure =
    let sums = EpochSums(Samples = 1L)
    sums.Figures.Add 1.0
    sums

/// Of one that has taken steps of a tenth of a second, and does a command.
let private computing progress =
    Heartbeat(Activity = Activity.Computing, StepSeconds = 0.1, Progress = progress)

/// Three workers, two of which have validated the first epoch.
let private validating () =
    let stage = begun 3

    for worker in 0..2 do
        stage.Say(worker, EpochTrained(Generation = 1L, Epoch = 1, Step = 10L, Sums = oneFigure, Seconds = 1.0))

    for worker in [ 0; 2 ] do
        stage.Say(worker, Validated(Generation = 1L, Epoch = 1, Sums = oneFigure))

    stage

/// All have done an epoch of so many steps, which took each of them so many seconds of its own work, and of the reductions.
let private epochOf (stage: Stage) (epoch, steps) (times: (float * float) list) =
    for worker, (computing, reducing) in List.indexed times do
        stage.Say(
            worker,
            EpochTrained(
                Generation = 1L,
                Epoch = epoch,
                Step = int64 epoch * steps,
                Sums = oneFigure,
                Seconds = 1.0,
                Times = StepTimes(Steps = steps, ComputingSeconds = computing, ReducingSeconds = reducing)
            )
        )

    for worker in 0 .. times.Length - 1 do
        stage.Say(worker, Validated(Generation = 1L, Epoch = epoch, Sums = oneFigure))

/// The workers that were named as holding the others up.
let private named (stage: Stage) =
    [ for event in stage.Events do
          match event with
          | :? StragglerFound as found -> found
          | _ -> () ]

[<Tests>]
let tests =
    testList
        "Trainer.Coordination.CoordinatorMachine.Held up"
        [ test "one that the control plane takes for gone, and that speaks, is kept, and watched anew" {
              let stage = begun 3
              stage.Watched.Clear()
              stage.Handle(CoordinatorInput.ChannelDoubted(box 1))
              Expect.isEmpty (stage.Heard<Halt> 0) "that is a question"
              stage.Wait(30.0, [ 0; 1; 2 ])
              Expect.isEmpty (stage.Heard<Halt> 0) "which it has answered"
              Expect.equal (List.ofSeq stage.Watched) [ 1 ] "Akka watches nobody whom it has taken for gone"
          }
          test "one that the control plane takes for gone, and that says nothing for two seconds, is given up" {
              let stage = begun 3
              stage.Handle(CoordinatorInput.ChannelDoubted(box 1))
              stage.Wait(2.0, [ 0; 2 ])
              stage.Handle(CoordinatorInput.ChannelDoubted(box 1))
              Expect.isEmpty (stage.Heard<Halt> 0) "not yet"
              stage.Wait(0.5, [ 0; 2 ])
              Expect.stringContains (stage.First<Halt> 0).Reason "is out of reach" "the first word of it counts"
              Expect.isFalse (stage.Watched.Contains 1) "nor watched any more"
          }
          test "one that the control plane takes for gone once more behind its answer has as long again" {
              let stage = begun 3
              stage.Handle(CoordinatorInput.ChannelDoubted(box 1))
              stage.Wait(1.5, [ 0; 1; 2 ])
              stage.Handle(CoordinatorInput.ChannelDoubted(box 1))
              stage.Wait(2.0, [ 0; 2 ])
              Expect.isEmpty (stage.Heard<Halt> 0) "not yet"
              stage.Wait(0.5, [ 0; 2 ])
              Expect.isNonEmpty (stage.Heard<Halt> 0) "then"
          }
          test "one is killed, and the control plane takes the two others for gone: they go on" {
              let stage = begun 3
              stage.Handle(CoordinatorInput.ProcessLost(101, 137))
              stage.Handle(CoordinatorInput.ChannelDoubted(box 0))
              stage.Handle(CoordinatorInput.ChannelDoubted(box 2))
              stage.Halt([ 0; 2 ], 4L)
              stage.Ready([ 0; 2 ], 4L)
              stage.Wait(10.0, [ 0; 2 ])
              Expect.equal stage.State "Training" "one fault, one loss"
          }
          test "one whose thread hangs in validation is given up, though its actor speaks" {
              let stage = validating ()

              let beats () =
                  [ 0, Heartbeat(); 1, computing 7L; 2, Heartbeat() ]

              stage.WaitWith(124.0, beats)
              Expect.isEmpty (stage.Heard<Expelled> 1) "two minutes and fifty of its steps are not over"
              stage.WaitWith(3.0, beats)
              stage.Halt([ 0; 2 ], 10L)
              Expect.stringContains (stage.First<Expelled> 1).Reason "has made no progress for 125" "why"
              stage.Ready([ 0; 2 ], 10L)
              Expect.equal stage.State "Validating" "the others validate anew"
          }
          test "one that comes on with its validation has as long as it takes" {
              let stage = validating ()
              let mutable batches = 0L

              stage.WaitWith(
                  1000.0,
                  fun () ->
                      batches <- batches + 1L
                      [ 0, Heartbeat(); 1, computing (batches / 200L); 2, Heartbeat() ]
              )

              Expect.equal
                  (stage.State, stage.Heard<Expelled> 1)
                  ("Validating", [])
                  "a batch in 100 s is slow, and no hang"
          }
          test "one that hangs in copying its state is given up while the others wait for it in their step" {
              let stage = begun 2
              let waits = Heartbeat(Activity = Activity.Reducing, StepSeconds = 0.1)
              stage.WaitWith(130.0, (fun () -> [ 0, computing 3L; 1, waits ]))
              stage.Halt([ 1 ], 3L)
              Expect.stringContains (stage.First<Expelled> 0).Reason "has made no progress" "the one that computes"
              Expect.isEmpty (stage.Heard<Expelled> 1) "not the one that waits"
          }
          test "a first step may take longer than any that has been measured" {
              let stage = begun 1

              let first () =
                  [ 0, Heartbeat(Activity = Activity.Computing) ]

              stage.WaitWith(590.0, first)
              Expect.equal stage.State "Training" "nobody knows how long a step takes here"
              stage.WaitWith(20.0, first)
              Expect.stringContains (ended stage).Message "has made no progress" "nor is it waited for without a bound"
          }
          test "one that stands still though it has not answered is given up" {
              let stage = validating ()
              let idle = Heartbeat(StepSeconds = 0.1)
              stage.WaitWith(130.0, (fun () -> [ 0, idle.Clone(); 1, idle.Clone(); 2, idle.Clone() ]))
              stage.Halt([ 0; 2 ], 10L)
              Expect.isNonEmpty (stage.Heard<Expelled> 1) "nothing waits without a bound"
              Expect.isEmpty (stage.Heard<Expelled> 0) "not those that have answered"
          }
          test "a worker that holds the others up is named once, with the epoch's times" {
              let stage = begun 3

              let train epoch =
                  epochOf stage (epoch, 10L) [ 1.0, 3.0; 3.0, 1.0; 1.1, 2.9 ]

              train 1
              Expect.isEmpty (named stage) "a few steps may say anything"
              train 2
              train 3

              Expect.equal
                  [ for found in named stage -> found.Worker.Worker.Slot, found.Epoch ]
                  [ 1, 2 ]
                  "of two epochs, and once"

              let times =
                  stage.Events
                  |> Seq.pick (function
                      | :? EpochEnded as ended -> Some [ for worker in ended.Workers -> worker.Waiting ]
                      | _ -> None)

              Expect.equal times [ 2.0; 0.0; 1.9 ] "who waits for whom"
          }
          test "images per second are those of the part of an epoch that its seconds are of" {
              let stage = begun 1
              let sums = EpochSums(Samples = 1000L)
              sums.Figures.Add 1.0

              stage.Say(
                  0,
                  EpochTrained(Generation = 1L, Epoch = 1, Step = 10L, Sums = sums, Seconds = 2.0, TimedSamples = 40L)
              )

              stage.Say(0, Validated(Generation = 1L, Epoch = 1, Sums = oneFigure))

              let rate =
                  stage.Events
                  |> Seq.pick (function
                      | :? EpochEnded as ended -> Some ended.Metrics.ImagesPerSecond
                      | _ -> None)

              Expect.equal rate 20.0 "the rest was trained before a regroup"
          }
          test "a hundred steps are enough to name who holds the others up" {
              let stage = begun 2
              epochOf stage (1, 100L) [ 1.0, 0.0; 2.0, 0.0 ]
              Expect.isNonEmpty (named stage) "named"
          }
          test "in exact mode who has more shards is not named for them, but for what takes longer with each" {
              let named (shards: int) seconds =
                  let stage = Stage(settingsOf (System.Nullable shards) (List.length seconds) 1 10)
                  stage.Begin()
                  epochOf stage (1, 100L) [ for own in seconds -> own, 0.0 ]
                  [ for found in named stage -> found.Worker.Worker.Slot ]

              Expect.equal (named 3 [ 2.0; 1.0 ]) [] "two shards of three take twice as long"
              Expect.equal (named 3 [ 2.6; 1.0 ]) [ 0 ] "and no more than that"
              Expect.equal (named 5 [ 2.0; 2.0; 1.0 ]) [] "two, two and one"
              Expect.equal (named 3 [ 2.0; 1.9 ]) [] "nobody waits for one that is slow with fewer"
              Expect.equal (named 3 [ 2.0; 2.6 ]) [ 1 ] "unless it takes longer than those with more"
              Expect.equal (named 4 [ 1.0; 1.3 ]) [ 1 ] "shards that are dealt out evenly say nothing"
          } ]
