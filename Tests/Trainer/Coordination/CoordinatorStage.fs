/// A coordinator, a clock that is moved by hand, and what workers say and hear.
module CnnCluster.Tests.Trainer.Coordination.CoordinatorStage

open System
open Expecto
open Google.Protobuf
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Protocol

let private token = Array.init 16 byte

/// The bytes that a process is known by.
let processOf (number: int) =
    ByteString.CopyFrom(Array.append (BitConverter.GetBytes number) (Array.zeroCreate 12))

/// A run that starts so many workers itself, and whose batches are dealt out in shards, if it is exact.
let private settingsWith own (shards: Nullable<int>) world minWorkers epochs =
    RunSettings(
        World = world,
        ReservedSlots = own,
        MinWorkers = minWorkers,
        MaxWorkers = Nullable(max 4 world),
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
        HomeHost = "here",
        Shards = shards
    )

/// A run that starts all of its workers itself.
let settingsOf shards world = settingsWith world shards world

let settings = settingsOf (Nullable())

/// A run that begins with more workers than it starts itself.
let settingsOfOwn own world =
    settingsWith own (Nullable()) world world 10

/// The same, which goes on with as few as are left.
let settingsBeside own world =
    settingsWith own (Nullable()) world 1 10

/// A coordinator, and all that it has said to each worker, told, and concluded.
type Stage(settings: RunSettings) =
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
    let watched = ResizeArray<int>()

    member _.State = machine.State
    member _.Events = events
    /// Whom it wants watched, as often as it has said so.
    member _.Watched = watched
    member val Outcome: RunOutcome option = None with get, set

    member stage.Handle(input: CoordinatorInput) =
        for effect in machine.Handle(input, TimeSpan.FromSeconds now) do
            match effect with
            | :? CoordinatorEffect.Send as send -> sent.Add(unbox<int> send.Channel, send.Message)
            | :? CoordinatorEffect.Watch as watch -> watched.Add(unbox<int> watch.Channel)
            | :? CoordinatorEffect.Unwatch as unwatch -> watched.RemoveAll((=) (unbox<int> unwatch.Channel)) |> ignore
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

    /// Lets time pass; workers send these heartbeats every half second, made anew each time.
    member stage.WaitWith(seconds: float, beats: unit -> (int * Heartbeat) list) =
        let until = now + seconds

        while now < until do
            now <- now + 0.5

            for worker, beat in beats () do
                beat.Generation <- machine.Generation
                stage.Say(worker, beat)

            stage.Handle(CoordinatorInput.Tick())

    /// Lets time pass; workers that are named send a heartbeat every half second.
    member stage.Wait(seconds: float, alive: int list) =
        stage.WaitWith(seconds, (fun () -> [ for worker in alive -> worker, Heartbeat() ]))

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

    member stage.First<'T when 'T :> IMessage>(worker: int) : 'T = List.head (stage.Heard<'T> worker)

    member stage.Last<'T when 'T :> IMessage>(worker: int) : 'T = List.last (stage.Heard<'T> worker)

    member stage.Register(worker: int, ?slot, ?withToken, ?host, ?pid, ?ofProcess) =
        stage.Say(
            worker,
            RegisterWorker(
                JoinToken = ByteString.CopyFrom(defaultArg withToken token),
                Slot = defaultArg slot worker,
                Host = defaultArg host "here",
                ProcessId = defaultArg pid (100 + worker),
                Process = processOf (defaultArg ofProcess worker),
                Device = "cpu",
                Share = 1,
                Incarnation = ByteString.CopyFrom(byte (worker + 1))
            )
        )

    member stage.Prepare(worker: int, ?slot, ?host, ?pid, ?ofProcess) =
        stage.Register(worker, ?slot = slot, ?host = host, ?pid = pid, ?ofProcess = ofProcess)
        stage.Say(worker, WorkerPrepared(DataPlane = Endpoint(Host = "h", Port = worker + 1), Position = Position()))

    member stage.Ready(workers: int list, step) =
        for worker in workers do
            stage.Say(worker, WorkerReady(Generation = machine.Generation, Position = Position(Step = step)))

    /// Begins the run with all its workers.
    member stage.Begin() =
        let workers = [ 0 .. settings.World - 1 ]
        workers |> List.iter (fun worker -> stage.Prepare worker)
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

    member stage.Delivered(worker: int, name) =
        stage.Say(worker, StateDelivered(Name = name, Token = ByteString.CopyFrom token))

    member stage.Deliver(worker: int) =
        for request in stage.Heard<DeliverState> worker do
            stage.Delivered(worker, request.Name)

    member stage.Finish(hashes: (int * string) list) =
        for worker, hash in hashes do
            stage.Say(worker, WorkerFinished(Generation = machine.Generation, WeightsSha256 = hash))

/// A run of as many workers as it was to have, in its first epoch.
let begun world =
    let stage = Stage(settings world 1 10)
    stage.Begin()
    stage

let ended (stage: Stage) =
    Expect.wantSome stage.Outcome "the run has ended"
