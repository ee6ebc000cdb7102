/// Runs of two workers, one of which is slow, or hangs: a layer of the test's own sees to that.
module CnnCluster.Tests.Trainer.Hosting.HeldUpRunTests

open System
open System.Collections.Concurrent
open System.IO
open System.Threading
open Expecto
open CnnCluster.Dsl
open CnnCluster.Tests.Cli
open CnnCluster.Tests.Comparisons
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Hosting
open CnnCluster.Trainer.Storage
open CnnCluster.Trainer.Training

/// The statistics of batch norm have the workers wait for each other within a step, too.
let private script epochs =
    $"""
network HeldUp {{
    input 28x28x1
    conv 4 5x5 stride=3
    holdup
    batchnorm relu
    flatten
    dense 10
}}

train HeldUp {{
    data digits train=64 test=32
    loss cross-entropy
    optimizer sgd lr=0.1
    batch 16
    epochs {epochs}
}}
"""

/// Hands on what it gets, behind what the test wants done first.
let private layer (first: LayerCall -> unit) =
    let forward (call: LayerCall) =
        first call
        call.Input.clone ()

    { Name = "holdup"
      Help = LayerHelp.create "Hands on what it gets." "kept" "input 8x8x4; holdup"
      Arguments = []
      Operands = One
      Ranks = [ 1; 2; 3 ]
      Plan = fun site -> Ok(LayerPlan.stateless site.Input Whole forward) }

let private isSecondWorker () = Thread.CurrentThread.Name = "worker-1"

type private Events() =
    let events = ConcurrentQueue<IRunEvent>()
    member _.All = List.ofSeq events
    member val OnEvent: IRunEvent -> unit = ignore with get, set

    interface IRunReader with
        member this.Read event =
            events.Enqueue event
            this.OnEvent event

        member _.Dispose() = ()

let private run (events: Events) epochs (patience: Patience) first =
    let catalogues = TrainingCatalogues.All.WithLayer(layer first)

    let training =
        Script.Training(
            { File = "held.cnn"
              Text = script epochs },
            null,
            [],
            catalogues
        )

    Expect.equal training.Text "" "the script is right"

    let request =
        RunRequest(
            Training = training.Value,
            Layout = RunLayout(2, 0, [| "cpu" |], 1),
            Catalogues = catalogues,
            Patience = patience
        )

    Cnn.inFolder (fun folder ->
        use keeper =
            new RunKeeper(RunFolder.Create(Path.Combine(folder, "run"), "held", DateTimeOffset.Now), [ events ])

        use late = new CancellationTokenSource(TimeSpan.FromSeconds 60.0)

        TrainingRun.RunAsync(request, keeper, DataCache(), ignore, late.Token)
        |> Async.AwaitTask
        |> Async.RunSynchronously)

[<Tests>]
let tests =
    testList
        "Trainer.runs that are held up"
        [ test "a worker whose thread hangs in validation, while its actor speaks, is done without" {
              use hangs = new SemaphoreSlim 1
              use released = new ManualResetEventSlim false
              let events = new Events()

              let hang (call: LayerCall) =
                  if not call.Step.Training && isSecondWorker () && hangs.Wait 0 then
                      released.Wait(TimeSpan.FromSeconds 60.0) |> ignore

              events.OnEvent <-
                  function
                  | :? RunRegrouped -> released.Set()
                  | _ -> ()

              let outcome = run events 4 (Patience(Stall = TimeSpan.FromSeconds 1.0)) hang
              Expect.equal outcome.Reason StopReason.Epochs $"{outcome}"

              let reason =
                  events.All
                  |> List.tryPick (function
                      | :? RunRegrouped as regrouped -> Some regrouped.Reason
                      | _ -> None)

              Expect.stringContains (Expect.wantSome reason "regrouped") "Worker 1" "who"
              Expect.stringContains reason.Value "has made no progress for" "why"
          }
          test "a slow worker is the one that is named, and the other one's time is waiting" {
              let events = new Events()

              let slow (call: LayerCall) =
                  // What makes it slow; nothing is waited for.
                  if call.Step.Training && isSecondWorker () then Thread.Sleep 150

              let outcome = run events 2 (Patience()) slow
              Expect.equal outcome.Reason StopReason.Epochs $"{outcome}"

              let named =
                  [ for event in events.All do
                        match event with
                        | :? StragglerFound as found -> found.Worker.Worker.Slot
                        | _ -> () ]

              Expect.equal named [ 1 ] "once"

              let times =
                  events.All
                  |> List.choose (function
                      | :? EpochEnded as ended -> Some(List.ofSeq ended.Workers)
                      | _ -> None)

              Expect.equal
                  [ for epoch in times -> [ for worker in epoch -> worker.Steps ] ]
                  [ [ 3L; 3L ]; [ 4L; 4L ] ]
                  "steps that count"

              for epoch in times do
                  Expect.isGreaterThan (epoch[1].Computing / float epoch[1].Steps) 0.15 "its own work"
                  Expect.isGreaterThan (epoch[0].Waiting / float epoch[0].Steps) 0.075 "what the other one waits"
                  Expect.isGreaterThan epoch[0].Waiting epoch[1].Waiting "and not the other way round"
          } ]
