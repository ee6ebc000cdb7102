module CnnCluster.Tests.Trainer.Coordination.CoordinatorTests

open System
open System.Threading.Tasks
open Akka.Actor
open Expecto
open Google.Protobuf
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Protocol

let private patience = TimeSpan.FromSeconds 10.0
let private token = Array.init 16 byte

let private settingsOf plateau plateauState forming world epochs =
    RunSettings(
        Plateau = plateau,
        PlateauState = plateauState,
        World = world,
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
        Parameters = 10L,
        StateReceiver = Endpoint(Host = "127.0.0.1", Port = 1),
        StateToken = token,
        FormingPatience = forming,
        HaltPatience = TimeSpan.FromSeconds 1.0
    )

let private settingsWith = settingsOf null PlateauRule.Initial
let private settings = settingsWith patience

/// A coordinator, its workers played by inboxes, and what it concludes.
type private Stage =
    { System: ActorSystem
      Coordinator: IActorRef
      Workers: Inbox list
      Outcome: Task<RunOutcome> }

    member stage.Say(rank: int, message: IMessage) =
        stage.Coordinator.Tell(message, stage.Workers[rank].Receiver)

    member stage.SayAll(message: int -> IMessage) =
        stage.Workers |> List.iteri (fun rank _ -> stage.Say(rank, message rank))

    /// The next message of this type that the coordinator sends this worker.
    member stage.Heard<'T>(rank: int) =
        let rec next () =
            match stage.Workers[rank].Receive patience with
            | :? 'T as message -> message
            | _ -> next ()

        next ()

    member stage.AllHeard<'T>() =
        stage.Workers |> List.mapi (fun rank _ -> stage.Heard<'T> rank)

let private onStage (settings: RunSettings) act =
    let system =
        ActorSystem.Create("coordinator-test", "akka { loglevel = OFF, stdout-loglevel = OFF }")

    let outcome = TaskCompletionSource<RunOutcome>()

    let coordinator =
        system.ActorOf(
            Props.Create(
                typeof<Coordinator>,
                settings,
                system.DeadLetters,
                Action<RunOutcome>(fun o -> outcome.TrySetResult o |> ignore)
            ),
            "coordinator"
        )

    try
        act
            { System = system
              Coordinator = coordinator
              Workers = [ for _ in 1 .. settings.World -> Inbox.Create system ]
              Outcome = outcome.Task }
    finally
        system.Terminate().Wait patience |> ignore

let private register slot processId : IMessage =
    RegisterWorker(
        JoinToken = ByteString.CopyFrom token,
        Slot = slot,
        Host = "here",
        ProcessId = processId,
        Device = "cpu"
    )

/// Brings the stage to the first epoch.
let private form (stage: Stage) =
    stage.SayAll(fun rank -> register rank (100 + rank))
    stage.AllHeard<Prepare>() |> ignore

    stage.SayAll(fun rank ->
        WorkerPrepared(Generation = 1L, Rank = rank, DataPlane = Endpoint(Host = "h", Port = rank + 1)))

    let formed = stage.AllHeard<FormGeneration>()
    stage.SayAll(fun rank -> WorkerReady(Generation = 1L, Rank = rank, Position = Position()))
    formed

let private sums (loss: float) =
    let sums = EpochSums(Samples = 100L, Loss = 100.0 * loss)
    sums.Figures.Add 50.0
    sums

let private train (stage: Stage) epoch step stop =
    for heard in stage.AllHeard<TrainEpoch>() do
        Expect.equal heard.Epoch epoch "the epoch to train"

    stage.SayAll(fun rank ->
        EpochTrained(
            Generation = 1L,
            Rank = rank,
            Epoch = epoch,
            Step = step,
            Sums = sums 1.0,
            Seconds = 2.0,
            Stop = stop
        ))

/// Takes all workers through one epoch with this validation loss.
let private epoch (stage: Stage) number loss =
    train stage number (int64 number * 10L) StopCause.NotStopped
    stage.AllHeard<Validate>() |> ignore
    stage.SayAll(fun rank -> Validated(Generation = 1L, Rank = rank, Epoch = number, Sums = sums loss))
    stage.AllHeard<EpochDecided>() |> List.head

let private deliverEverything (stage: Stage) rank =
    let rec next () =
        match stage.Workers[rank].Receive patience with
        | :? DeliverState as request ->
            stage.Say(rank, StateDelivered(Generation = 1L, Rank = rank, Name = request.Name))
            if request.Name <> "final" then next ()
        | _ -> next ()

    next ()

let private finish (stage: Stage) (hash: int -> string) =
    for rank in 1 .. stage.Workers.Length - 1 do
        stage.Heard<Finish> rank |> ignore

    deliverEverything stage 0
    stage.SayAll(fun rank -> WorkerFinished(Generation = 1L, Rank = rank, WeightsSha256 = hash rank))
    Expect.isTrue (stage.Outcome.Wait patience) "the run ends"
    stage.Outcome.Result

[<Tests>]
let tests =
    testList
        "Trainer.Coordination.Coordinator"
        [ test "ranks follow the slots, whatever the order of arrival" {
              onStage (settings 3 1) (fun stage ->
                  for slot in [ 2; 0; 1 ] do
                      stage.Say(slot, register slot 1)

                  Expect.equal (stage.AllHeard<Prepare>() |> List.map _.Rank) [ 0; 1; 2 ] "slot = rank")
          }
          test "a worker without the join token is refused" {
              onStage (settings 1 1) (fun stage ->
                  stage.Say(0, RegisterWorker(JoinToken = ByteString.CopyFrom(Array.zeroCreate<byte> 16)))
                  Expect.stringContains (stage.Heard<WorkerRefused> 0).Reason "token" "says why")
          }
          test "the generation is formed from everyone's address, in rank order, with one secret token" {
              onStage (settings 2 1) (fun stage ->
                  let formed = form stage

                  for message in formed do
                      Expect.sequenceEqual (message.DataPlanes |> Seq.map _.Port) [ 1; 2 ] "rank order"
                      Expect.equal message.Token.Length 16 "128 bits"

                  Expect.equal formed[0].Token formed[1].Token "the same for all")
          }
          test "an epoch's figures are sums over all workers divided by all samples" {
              onStage (settings 2 1) (fun stage ->
                  form stage |> ignore
                  train stage 1 10L StopCause.NotStopped
                  stage.AllHeard<Validate>() |> ignore

                  stage.SayAll(fun rank ->
                      Validated(Generation = 1L, Rank = rank, Epoch = 1, Sums = sums (float rank)))

                  let outcome = finish stage (fun _ -> "ab12")
                  Expect.floatClose Accuracy.veryHigh outcome.Final["val_loss"] 0.5 "mean of 0 and 1"
                  Expect.floatClose Accuracy.veryHigh outcome.Final["val_accuracy"] 0.5 "100 of 200"
                  Expect.floatClose Accuracy.veryHigh outcome.Final.ImagesPerSecond 50.0 "100 images in 2 s")
          }
          test "early stopping ends the run, and all workers restore the best weights" {
              onStage (settings 2 80) (fun stage ->
                  form stage |> ignore

                  let decisions =
                      [ for number, loss in List.indexed [ 0.5; 0.3; 0.4; 0.6 ] -> epoch stage (number + 1) loss ]

                  Expect.equal (decisions |> List.map _.KeepAsBest) [ true; true; false; false ] "two improvements"

                  for heard in stage.AllHeard<Finish>() do
                      Expect.isTrue heard.RestoreBest "the best weights"

                  stage.SayAll(fun rank -> WorkerFinished(Generation = 1L, Rank = rank, WeightsSha256 = "ab12"))
                  stage.Say(0, WorkerReady()) // of no generation: left unanswered

                  for name in
                      [ for s in [ 10; 20; 30; 40 ] do
                            if s <= 20 then $"best-step-{s:D8}" else $"step-{s:D8}"
                            $"histograms-{s / 10:D8}"
                        "final" ] do
                      stage.Say(0, StateDelivered(Generation = 1L, Rank = 0, Name = name))

                  Expect.isTrue (stage.Outcome.Wait patience) "the run ends"
                  let outcome = stage.Outcome.Result
                  Expect.equal outcome.Reason StopReason.EarlyStop "why"
                  Expect.equal outcome.Best.BestEpoch 2 "the best epoch"

                  Expect.floatClose
                      Accuracy.veryHigh
                      outcome.Final["val_loss"]
                      0.3
                      "the figures of the restored weights")
          }
          test "a plateau is one decision, which every worker hears with the epoch" {
              let settings =
                  let plateau =
                      PlateauSettings(
                          Monitor = "val_loss",
                          Higher = false,
                          Patience = 1,
                          MinDelta = 0.0,
                          Cooldown = 1,
                          Rate = 0.1,
                          Factor = 0.5,
                          LeastRate = 0.0
                      )

                  settingsOf plateau (PlateauState(HasBest = true, Best = 0.5, Reductions = 2)) patience 2 5

              onStage settings (fun stage ->
                  form stage |> ignore

                  let decided number loss =
                      train stage number (int64 number * 10L) StopCause.NotStopped
                      stage.AllHeard<Validate>() |> ignore

                      stage.SayAll(fun rank ->
                          Validated(Generation = 1L, Rank = rank, Epoch = number, Sums = sums loss))

                      stage.AllHeard<EpochDecided>() |> List.map _.Plateau

                  for number, loss, best, reductions in [ 1, 0.4, 0.4, 2; 2, 0.4, 0.4, 3 ] do
                      for plateau in decided number loss do
                          Expect.equal (plateau.Best, plateau.Reductions) (best, reductions) $"epoch {number}")
          }
          test "weights that differ between workers fail the run" {
              onStage (settings 2 1) (fun stage ->
                  form stage |> ignore
                  epoch stage 1 0.5 |> ignore
                  stage.AllHeard<Finish>() |> ignore

                  stage.SayAll(fun rank ->
                      WorkerFinished(Generation = 1L, Rank = rank, WeightsSha256 = $"{rank}0000000"))

                  for name in [ "best-step-00000010"; "histograms-00000001"; "final" ] do
                      stage.Say(0, StateDelivered(Generation = 1L, Rank = 0, Name = name))

                  Expect.isTrue (stage.Outcome.Wait patience) "the run ends"
                  Expect.equal stage.Outcome.Result.Reason StopReason.Failed "not silently")
          }
          test "a lost process fails the run after the most advanced survivor has saved its state" {
              onStage (settings 3 5) (fun stage ->
                  form stage |> ignore
                  stage.AllHeard<TrainEpoch>() |> ignore
                  stage.Coordinator.Tell(Coordinator.ProcessLost(101, 137))
                  stage.Heard<Abandon> 0 |> ignore
                  stage.Say(0, WorkerHalted(Generation = 1L, Rank = 0, Step = 7L))
                  stage.Say(2, WorkerHalted(Generation = 1L, Rank = 2, Step = 8L))
                  let request = stage.Heard<DeliverState> 2
                  Expect.equal request.Name "step-00000008" "the more advanced of the two"
                  stage.Say(2, StateDelivered(Generation = 1L, Rank = 2, Name = request.Name))
                  Expect.isTrue (stage.Outcome.Wait patience) "the run ends"
                  let outcome = stage.Outcome.Result
                  Expect.equal (outcome.Reason, outcome.Checkpoint) (StopReason.Failed, "step-00000008") "saved"
                  Expect.stringContains outcome.Message "killed by signal 9" "says how it was lost"
                  Expect.stringContains outcome.Message "process 101" "says who")
          }
          test "a peer's failed collective leads to the same end, with no exit seen" {
              onStage (settings 2 5) (fun stage ->
                  form stage |> ignore
                  stage.AllHeard<TrainEpoch>() |> ignore

                  stage.Say(
                      0,
                      WorkerFailed(
                          Generation = 1L,
                          Rank = 0,
                          Step = 4L,
                          LostPeer = 1,
                          HasState = true,
                          Reason = "rank 1 closed its connection"
                      )
                  )

                  let request = stage.Heard<DeliverState> 0
                  Expect.equal request.Name "step-00000004" "the survivor's last whole step"
                  stage.Say(0, StateDelivered(Generation = 1L, Rank = 0, Name = request.Name))
                  Expect.isTrue (stage.Outcome.Wait patience) "bounded"
                  Expect.equal stage.Outcome.Result.Reason StopReason.Failed "failed")
          }
          test "workers that all fail alike save their state, and the reason is said once" {
              onStage (settings 2 5) (fun stage ->
                  form stage |> ignore
                  stage.AllHeard<TrainEpoch>() |> ignore

                  let failed rank =
                      WorkerFailed(
                          Generation = 1L,
                          Rank = rank,
                          Step = 4L,
                          LostPeer = -1,
                          HasState = true,
                          Reason = "it diverged"
                      )

                  stage.Say(1, failed 1)
                  stage.Say(1, WorkerHalted(Generation = 1L, Rank = 1, Step = 4L))
                  stage.Say(0, failed 0)
                  stage.Say(0, WorkerHalted(Generation = 1L, Rank = 0, Step = 4L))
                  let request = stage.Heard<DeliverState> 0
                  stage.Say(0, StateDelivered(Generation = 1L, Rank = 0, Name = request.Name))
                  Expect.isTrue (stage.Outcome.Wait patience) "the run ends"
                  let outcome = stage.Outcome.Result
                  Expect.equal outcome.Checkpoint "step-00000004" "saved"
                  Expect.stringEnds outcome.Message "it diverged" "said once")
          }
          test "an interrupt stops at a step, saves it, and ends resumably" {
              onStage (settings 2 5) (fun stage ->
                  form stage |> ignore
                  stage.AllHeard<TrainEpoch>() |> ignore
                  stage.Coordinator.Tell(Coordinator.Interrupt())
                  stage.AllHeard<StopAtNextStep>() |> ignore

                  stage.SayAll(fun rank ->
                      EpochTrained(
                          Generation = 1L,
                          Rank = rank,
                          Epoch = 1,
                          Step = 3L,
                          Sums = sums 1.0,
                          Seconds = 1.0,
                          Stop = StopCause.StopRequested
                      ))

                  let request = stage.Heard<DeliverState> 0
                  Expect.equal request.Name "step-00000003" "where it stopped"

                  for heard in stage.AllHeard<Finish>() do
                      Expect.isFalse heard.RestoreBest "an interrupted run restores nothing"

                  stage.SayAll(fun rank -> WorkerFinished(Generation = 1L, Rank = rank, WeightsSha256 = "ab12"))
                  stage.Say(0, StateDelivered(Generation = 1L, Rank = 0, Name = request.Name))
                  Expect.isTrue (stage.Outcome.Wait patience) "the run ends"
                  Expect.equal stage.Outcome.Result.Reason StopReason.Interrupted "interrupted")
          }
          test "workers that do not come are waited for only so long" {
              onStage (settingsWith (TimeSpan.FromMilliseconds 100.0) 2 1) (fun stage ->
                  stage.Say(0, register 0 1)
                  Expect.isTrue (stage.Outcome.Wait patience) "bounded"
                  Expect.stringContains stage.Outcome.Result.Message "1 of 2 workers" "says who is missing")
          } ]
