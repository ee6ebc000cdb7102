/// The coordinator's rules, one by one: what goes in, and what is to be done about it.
module CnnCluster.Tests.Trainer.Coordination.CoordinatorMachineTests

open System
open Expecto
open Google.Protobuf
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Protocol

let private token = Array.init 16 byte

let private settings world minWorkers epochs =
    RunSettings(
        World = world,
        MinWorkers = minWorkers,
        MaxWorkers = Nullable 4,
        Job = Job(),
        JoinToken = token,
        Epochs = epochs,
        Monitor = "val_loss",
        EarlyStopping =
            EarlyStoppingSettings(
                Higher = false,
                Patience = 2,
                MinDelta = 0.0,
                Baseline = Nullable(),
                StartFromEpoch = 0
            ),
        RestoreBest = true,
        FigureNames = [| "accuracy" |],
        RegularizedNames = [||],
        Parameters = 10L,
        StateReceiver = Endpoint(Host = "127.0.0.1", Port = 1),
        StateToken = token,
        HomeHost = "here"
    )

/// A coordinator, and all that it has said to each worker, told, and concluded.
type private Stage(settings: RunSettings) =
    let mutable now = 0.0
    let mutable tokens = 0

    let machine =
        CoordinatorMachine(
            settings,
            (fun () ->
                tokens <- tokens + 1
                ByteString.CopyFrom(byte tokens)),
            TimeSpan.Zero
        )

    let sent = ResizeArray<int * IMessage>()
    let events = ResizeArray<IRunEvent>()

    member _.State = machine.State
    member _.Events = events
    member val Outcome: RunOutcome option = None with get, set

    member stage.Handle(input: CoordinatorInput) =
        for effect in machine.Handle(input, TimeSpan.FromSeconds now) do
            match effect with
            | :? CoordinatorEffect.Send as send -> sent.Add(unbox<int> send.Channel, send.Message)
            | :? CoordinatorEffect.Publish as publish -> events.Add publish.Event
            | :? CoordinatorEffect.Conclude as conclude -> stage.Outcome <- Some conclude.Outcome
            | :? CoordinatorEffect.Judge as judge ->
                let decision =
                    EarlyStoppingRule.Decide(settings.EarlyStopping, judge.State, judge.Epoch, judge.Value)

                stage.Handle(CoordinatorInput.Judged(judge.Epoch, decision))
            | _ -> ()

    member stage.Say(worker: int, message: IMessage) =
        stage.Handle(CoordinatorInput.Received(box worker, message))

    /// Lets time pass in which the machine is not asked.
    member _.Pass seconds = now <- now + seconds

    /// Lets time pass; workers that are named send a heartbeat every half second.
    member stage.Wait(seconds: float, alive: int list) =
        let until = now + seconds

        while now < until do
            now <- now + 0.5

            for worker in alive do
                stage.Say(worker, Heartbeat(Generation = machine.Generation))

            stage.Handle(CoordinatorInput.Tick())

    /// What a worker was told of this type since this was last asked.
    member _.Heard<'T when 'T :> IMessage>(worker: int) : 'T list =
        let heard =
            [ for w, m in sent do
                  if w = worker then
                      match m with
                      | :? 'T as m -> m
                      | _ -> () ]

        sent.RemoveAll(fun (w, m) -> w = worker && m :? 'T) |> ignore
        heard

    member stage.Last<'T when 'T :> IMessage>(worker: int) : 'T = List.last (stage.Heard<'T> worker)

    member stage.Register(worker: int, ?slot, ?withToken) =
        stage.Say(
            worker,
            RegisterWorker(
                JoinToken = ByteString.CopyFrom(defaultArg withToken token),
                Slot = defaultArg slot worker,
                Host = "here",
                ProcessId = 100 + worker,
                Device = "cpu",
                Incarnation = ByteString.CopyFrom(byte (worker + 1))
            )
        )

    member stage.Prepare(worker: int, ?slot) =
        stage.Register(worker, ?slot = slot)
        stage.Say(worker, WorkerPrepared(DataPlane = Endpoint(Host = "h", Port = worker + 1), Position = Position()))

    member stage.Ready(workers: int list, step) =
        for worker in workers do
            stage.Say(worker, WorkerReady(Generation = machine.Generation, Position = Position(Step = step)))

    /// Begins the run with all its workers.
    member stage.Begin() =
        let workers = [ 0 .. settings.World - 1 ]
        List.iter stage.Prepare workers
        stage.Ready(workers, 0L)

    member stage.Halt(workers: int list, step: int64) =
        for worker in workers do
            let round = (stage.Last<Halt> worker).Round
            stage.Say(worker, WorkerHalted(Round = round, HasState = true, Position = Position(Step = step)))

    /// Trains and validates an epoch of ten steps with this validation loss.
    member stage.Epoch(workers: int list, epoch, loss: float, ?stop) =
        let sums loss =
            let sums = EpochSums(Samples = 100L, Loss = 100.0 * loss)
            sums.Figures.Add 50.0
            sums

        for worker in workers do
            stage.Say(
                worker,
                EpochTrained(
                    Generation = machine.Generation,
                    Epoch = epoch,
                    Step = int64 epoch * 10L,
                    Sums = sums 1.0,
                    Seconds = 2.0,
                    Stop = defaultArg stop StopCause.NotStopped
                )
            )

        for worker in workers do
            stage.Say(worker, Validated(Generation = machine.Generation, Epoch = epoch, Sums = sums loss))

    member stage.Deliver(worker: int) =
        for request in stage.Heard<DeliverState> worker do
            stage.Say(worker, StateDelivered(Name = request.Name))

    member stage.Finish(hashes: (int * string) list) =
        for worker, hash in hashes do
            stage.Say(worker, WorkerFinished(Generation = machine.Generation, WeightsSha256 = hash))

/// Of a script that has one.
let private oneFigure =
    let sums = EpochSums(Samples = 1L)
    sums.Figures.Add 1.0
    sums

let private begun world =
    let stage = Stage(settings world 1 10)
    stage.Begin()
    stage

let private ended (stage: Stage) =
    Expect.wantSome stage.Outcome "the run has ended"

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
          test "a process that is lost before the run begins ends it" {
              let stage = Stage(settings 2 1 10)
              stage.Handle(CoordinatorInput.ProcessLost(4711, 134))

              Expect.stringContains
                  (ended stage).Message
                  "A worker process was lost (killed by signal 6"
                  "what happened"
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
          test "a lost process' workers are done without: the others stop, and go on from the most advanced" {
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
          test "one that is silent is given up; what it says afterwards is not heard" {
              let stage = begun 3
              stage.Wait(6.0, [ 0; 2 ])
              Expect.stringContains (stage.Last<Expelled> 1).Reason "silent" "why"
              stage.Halt([ 0; 2 ], 3L)
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
              stage.Heard<Expelled> 1 |> ignore
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
                  stage.Say(0, StateDelivered(Name = request.Name))

              Expect.equal stage.State "Saving" "not yet"
              stage.Wait(2.0, [ 0 ])
              Expect.isGreaterThan (stage.Heard<DeliverState> 0).Length 1 "asked again"
              stage.Say(0, StateDelivered(Name = "step-00000014"))
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
          test "an interrupt whose message was lost is said again" {
              let stage = begun 1
              stage.Handle(CoordinatorInput.Interrupt())
              stage.Heard<StopAtNextStep> 0 |> ignore
              stage.Wait(1.5, [ 0 ])
              Expect.isNonEmpty (stage.Heard<StopAtNextStep> 0) "again"
          }
          for message, flaw in
              [ EpochTrained(Generation = 1L, Epoch = 1) :> IMessage, "without sums"
                EpochTrained(Generation = 1L, Epoch = 1, Sums = EpochSums(Samples = 1L)), "0 figures"
                EpochTrained(Generation = 1L, Seconds = nan, Sums = EpochSums()), "no sensible time"
                Validated(Generation = 1L), "without sums"
                Heartbeat(Generation = 1L, StepSeconds = nan), "no sensible times"
                WorkerHalted(HasState = true), "without a position"
                WorkerReady(Generation = 1L), "without a position"
                WorkerFinished(Generation = 1L), "without a hash"
                WorkerPrepared(), "without an address" ] do
              test $"a worker whose message makes no sense is done without: {message.Descriptor.Name} {flaw}" {
                  let stage = begun 2
                  stage.Say(1, message)
                  Expect.stringContains (stage.Heard<Expelled> 1 |> List.last).Reason flaw "what was wrong"
                  Expect.isNonEmpty (stage.Heard<Halt> 0) "the other one goes on"
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
