/// The coordinator's rules, one by one: what goes in, and what is to be done about it.
module CnnCluster.Tests.Trainer.Coordination.CoordinatorMachineTests

open System
open Expecto
open Google.Protobuf
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Protocol
open CnnCluster.Tests.Trainer.Coordination.CoordinatorStage

/// One of two workers says this, is told what is wrong with it, and the other one goes on.
let private doneWithout message flaw =
    let stage = begun 2
    stage.Say(1, message)
    stage.Halt([ 0 ], 0L)
    Expect.equal stage.State "Connecting" "the other one goes on"
    Expect.stringContains (stage.Last<Expelled> 1).Reason flaw "what was wrong"

[<Tests>]
let tests =
    testList
        "Trainer.Coordination.CoordinatorMachine"
        [ test "ranks follow the slots, whatever the order of arrival" {
              let stage = Stage(settings 3 1 10)
              List.iter stage.Prepare [ 2; 0; 1 ]
              let form = stage.Last<FormGeneration> 1
              Expect.equal [ for m in form.Members -> m.Slot, m.DataPlane.Port ] [ 0, 1; 1, 2; 2, 3 ] "in rank order"
              Expect.equal (form.Generation, form.Synchronise) (1L, false) "all begin alike"
          }
          test "a stranger, a taken slot and one worker too many are refused" {
              let stage = begun 2

              let refusal worker =
                  (stage.Last<WorkerRefused> worker).Reason

              stage.Register(7, withToken = Array.zeroCreate 16)
              Expect.stringContains (refusal 7) "join token" "a stranger"
              stage.Register(7, slot = 1)
              Expect.stringContains (refusal 7) "slot 1 is taken by worker 1" "a taken slot"
              stage.Register(8, slot = -1)
              stage.Register(9, slot = -1)
              stage.Register(10, slot = -1)
              Expect.stringContains (refusal 10) "4 workers that it can have at most" "one too many"
          }
          test "those that do not come in time end the run" {
              let stage = Stage(settings 2 1 10)
              stage.Prepare 0
              stage.Wait(121.0, [ 0 ])
              Expect.stringContains (ended stage).Message "Of 2 workers 1 came" "how many"
          }
          test
              "others that a run is to begin with are waited for as behind a loss, and it says so when its own are there" {
              let stage = Stage(settingsOfOwn 1 3)
              stage.Prepare(5, slot = -1)
              Expect.isEmpty stage.Events "its own worker is still to come"
              stage.Prepare 0

              let waiting =
                  [ for event in stage.Events do
                        match event with
                        | :? RunWaiting as waiting -> waiting.Workers, waiting.MinWorkers
                        | _ -> () ]

              Expect.equal waiting [ 2, 3 ] "two of three"
              stage.Wait(590.0, [ 0; 5 ])
              stage.Prepare(6, slot = -1)
              stage.Ready([ 0; 5; 6 ], 0L)
              Expect.equal stage.State "Training" "it begins"
          }
          test "others that do not come end the run behind ten minutes" {
              let stage = Stage(settingsOfOwn 1 2)
              stage.Prepare 0
              stage.Wait(599.0, [ 0 ])
              Expect.isNone stage.Outcome "not yet"
              stage.Wait(2.0, [ 0 ])
              Expect.stringContains (ended stage).Message "Of 2 workers 1 came" "how many"
          }
          test "one that came by itself and is lost before the run begins ends nothing: another may come" {
              let stage = Stage(settingsOfOwn 1 2)
              stage.Prepare 0
              stage.Register(5, slot = -1)
              stage.Handle(CoordinatorInput.ChannelLost(box 5))
              stage.Prepare(6, slot = -1)
              stage.Ready([ 0; 6 ], 0L)
              Expect.equal stage.State "Training" "it begins"
          }
          test "one that came by itself and cannot be prepared ends nothing, where one of the run's own ends it" {
              let failure =
                  WorkerFailed(Kind = FailureKind.Worker, Reason = "there is no such folder")

              let stage = Stage(settingsOfOwn 1 2)
              stage.Prepare 0
              stage.Register(5, slot = -1)
              stage.Say(5, failure)
              Expect.isNone stage.Outcome "another may come"
              Expect.equal (stage.Last<Expelled> 5).Reason "failed: there is no such folder" "it is told to end"
              stage.Prepare(6, slot = -1)
              stage.Ready([ 0; 6 ], 0L)
              Expect.equal stage.State "Training" "it begins"
              let stage = Stage(settingsOfOwn 1 2)
              stage.Register 0
              stage.Say(0, failure)
              Expect.stringContains (ended stage).Message "there is no such folder" "its own"
          }
          test "a registration that is said again and again is answered with the job ever more seldom" {
              let stage = Stage(settings 2 1 10)

              let answered =
                  [ for i in 0..200 do
                        stage.Register 0

                        if not (stage.Heard<WorkerAccepted>(0)).IsEmpty then float i / 4.0

                        stage.Pass 0.25
                        stage.Handle(CoordinatorInput.Tick()) ]

              Expect.equal answered [ 0.0; 1.0; 3.0; 7.0; 15.0; 23.0; 31.0; 39.0; 47.0 ] "seconds"
          }
          test "a process that is lost before the run begins ends it" {
              let stage = Stage(settings 2 1 10)
              stage.Handle(CoordinatorInput.ProcessLost(4711, 134))

              Expect.stringContains
                  (ended stage).Message
                  "A worker process was lost (killed by signal 6"
                  "what happened"
          }
          test "a process that ends since its worker was refused before the run began ends it" {
              let settings = settingsOf (System.Nullable 4) 2 1 10
              settings.Job.Threads <- 1
              let stage = Stage settings
              stage.Register 0
              let plane = Endpoint(Host = "h", Port = 1)
              stage.Say(0, WorkerPrepared(DataPlane = plane, Position = Position(), Threads = 2))
              Expect.hasLength (stage.Heard<WorkerRefused> 0) 1 "refused"
              Expect.isNone stage.Outcome "another may come in its place"
              stage.Handle(CoordinatorInput.ProcessLost(100, 1))
              Expect.stringContains (ended stage).Message "A worker process was lost (exit code 1" "what happened"
          }
          test "an epoch is trained, validated and decided on, and the next one has the decision" {
              let stage = begun 2
              Expect.equal (stage.Last<TrainEpoch> 1).Epoch 1 "the first"
              stage.Epoch([ 0; 1 ], 1, 0.5)
              let train = stage.Last<TrainEpoch> 1

              Expect.equal
                  (train.Epoch, train.Decided.Epoch, train.Decided.Step)
                  (2, 1, 10L)
                  "the next, and the decision"

              Expect.isTrue train.Decided.KeepAsBest "the best so far"

              Expect.equal
                  [ for d in stage.Heard<DeliverState> 0 -> d.Name ]
                  [ "best-step-00000010"; "histograms-00000001" ]
                  "what rank 0 sends"
          }
          test "without improvement the run ends with the best weights" {
              let stage = begun 1

              for epoch, loss in [ 1, 0.5; 2, 0.6; 3, 0.7 ] do
                  stage.Epoch([ 0 ], epoch, loss)

              Expect.isTrue (stage.Last<Finish> 0).RestoreBest "restored"
              stage.Deliver 0
              stage.Finish [ 0, "abc" ]
              let outcome = ended stage

              Expect.equal
                  (outcome.Reason, outcome.Best.BestEpoch, outcome.WeightsHash)
                  (StopReason.EarlyStop, 1, "abc")
                  "how"

              Expect.equal
                  (Option.ofObj outcome.Final |> Option.map (fun m -> m["val_loss"]))
                  (Some 0.5)
                  "the best epoch's"
          }
          test "workers that end with different weights fail the run" {
              let stage = begun 2
              stage.Epoch([ 0; 1 ], 1, 0.5, stop = StopCause.StepLimit)
              stage.Deliver 0
              stage.Finish [ 0, "0123456789"; 1, "9876543210" ]
              Expect.stringContains (ended stage).Message "different weights (01234567, 98765432)" "both"
          }
          test "an interrupt stops all at the same step, resumably" {
              let stage = begun 2
              stage.Handle(CoordinatorInput.Interrupt())
              Expect.hasLength (stage.Heard<StopAtNextStep> 1) 1 "told"
              stage.Epoch([ 0; 1 ], 1, 0.5, stop = StopCause.StopRequested)
              stage.Deliver 0
              stage.Finish [ 0, "a"; 1, "a" ]
              let outcome = ended stage

              Expect.equal
                  (outcome.Reason, outcome.Checkpoint)
                  (StopReason.Interrupted, "step-00000010")
                  "with a checkpoint"
          }
          for message, flaw in
              [ EpochTrained(Generation = 1L, Epoch = 1) :> IMessage, "without sums"
                EpochTrained(Generation = 1L, Epoch = 1, Sums = EpochSums(Samples = 1L)), "0 figures"
                EpochTrained(Generation = 1L, Seconds = nan, Sums = EpochSums()), "no sensible time"
                EpochTrained(Generation = 1L, Times = StepTimes(Steps = -1L), Sums = EpochSums()),
                "no sensible step times"
                Validated(Generation = 1L), "without sums"
                Heartbeat(Generation = 1L, StepSeconds = nan), "no sensible times"
                WorkerHalted(HasState = true), "without a position"
                WorkerReady(Generation = 1L), "without a position"
                WorkerReady(Generation = 1L, Position = Position(), Exchange = enum 99), "of no known exchange"
                WorkerFinished(Generation = 1L), "without a hash"
                WorkerPrepared(), "without an address"
                WorkerPrepared(DataPlane = Endpoint(Host = "h", Port = 1)), "without a position" ] do
              test $"a worker whose message makes no sense is done without: {message.Descriptor.Name} {flaw}" {
                  doneWithout message flaw
              }
          for what, host, port, flaw in
              [ "nowhere", "", 1, "without a host's name"
                "a host of too long a name", String('h', 256), 1, "without a host's name"
                "port 0", "h", 0, "with no port from 1 to 65535"
                "port 65536", "h", 65536, "with no port from 1 to 65535" ] do
              test $"a worker that says it listens at {what} is done without, and is not told to others" {
                  doneWithout
                      (WorkerPrepared(DataPlane = Endpoint(Host = host, Port = port), Position = Position()))
                      flaw
              }
          test "one that computes with other threads than an exact run is refused, and nobody waits for it" {
              let stage = Stage(settingsOf (Nullable 4) 2 1 10)
              stage.Begin()
              stage.Register 2

              let prepared =
                  WorkerPrepared(DataPlane = Endpoint(Host = "h", Port = 3), Position = Position(), Threads = 2)

              stage.Say(2, prepared)
              Expect.stringContains (stage.First<WorkerRefused> 2).Reason "it computes with 2 threads" "why"
              Expect.equal (stage.State, stage.Heard<Halt> 0) ("Training", []) "the others train on"
          }
          test "a registration that is ahead of the run does not make its members' answers unheard" {
              let ahead (stage: Stage) =
                  stage.Say(
                      3,
                      RegisterWorker(
                          JoinToken = ByteString.CopyFrom(Array.init 16 byte),
                          Slot = -1,
                          Host = "there",
                          ProcessId = 1,
                          Process = processOf 3,
                          Device = "cpu",
                          Share = 1,
                          Generation = 9L,
                          Incarnation = ByteString.CopyFrom 30uy
                      )
                  )

              let stage = Stage(settings 2 1 10)
              List.iter stage.Prepare [ 0; 1 ]
              ahead stage

              for worker in 0..1 do
                  stage.Say(worker, WorkerReady(Generation = 1L, Position = Position()))

              Expect.equal stage.State "Training" "the generation has formed"

              for worker in 0..1 do
                  Expect.equal (stage.Last<TrainEpoch> worker).Generation 1L "its commands are the members' own"
                  let sums = EpochSums(Samples = 1L)
                  sums.Figures.Add 1.0
                  stage.Say(worker, EpochTrained(Generation = 1L, Epoch = 1, Step = 10L, Sums = sums, Seconds = 1.0))

              Expect.equal stage.State "Validating" "the epoch is trained"
              stage.Handle(CoordinatorInput.ProcessLost(101, 137))
              stage.Halt([ 0 ], 10L)
              Expect.equal (stage.Last<FormGeneration> 0).Generation 10L "no number is used twice"
          } ]
