module CnnCluster.Tests.Trainer.Hosting.TrainingRunTests

open System
open System.IO
open System.Threading
open Expecto
open CnnCluster.Dsl
open CnnCluster.Samples
open CnnCluster.Tests.Cli
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Hosting
open CnnCluster.Trainer.Storage
open CnnCluster.Trainer.Training

let private script =
    """
network Scaled {
    input 28x28x1
    conv 4 5x5 stride=3 relu
    layerscale 0.5
    squeezeexcite 2
    flatten
    dense 10
}

train Scaled {
    data digits train=64 test=32
    loss cross-entropy
    optimizer sgd lr=0.1
    batch 16
    epochs 2
}
"""

let private withOwn =
    TrainingCatalogues.All.WithLayer(LayerScale.Definition).WithLayer(SqueezeExcite.definition)

/// A run of two workers in this process.
let private outcomeOf (folder: string) catalogues =
    let training =
        Script.Training({ File = "own.cnn"; Text = script }, null, [], withOwn)

    Expect.equal training.Text "" "the script is right"

    let request =
        RunRequest(Training = training.Value, Layout = RunLayout(2, 0, [| "cpu" |], 1), Catalogues = catalogues)

    use keeper =
        new RunKeeper(RunFolder.Create(Path.Combine(folder, "run"), "own", DateTimeOffset.Now), [])

    use patience = new CancellationTokenSource(TimeSpan.FromSeconds 60.0)

    TrainingRun.RunAsync(request, keeper, DataCache(), ignore, patience.Token)
    |> Async.AwaitTask
    |> Async.RunSynchronously

[<Tests>]
let tests =
    testList
        "Trainer.runs"
        [ test "workers of this process train layers of one's own, where the run's catalogues have them" {
              Cnn.inFolder (fun folder ->
                  let outcome = outcomeOf folder withOwn
                  Expect.equal outcome.Reason StopReason.Epochs $"{outcome}")
          }
          test "workers that do not know a layer say so, and the run fails" {
              Cnn.inFolder (fun folder ->
                  let outcome = outcomeOf folder TrainingCatalogues.All
                  Expect.equal outcome.Reason StopReason.Failed $"{outcome}"
                  Expect.stringContains $"{outcome}" "'layerscale' is no layer" "what it says")
          } ]
