module CnnCluster.Tests.Cli.TrainTests

open System
open System.Diagnostics
open System.IO
open System.Text.Json.Nodes
open Expecto
open CnnCluster.Trainer.Training
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Trainer.Training

let private small =
    "    data digits train=320 test=100\n    optimizer sgd lr=0.05\n    batch 32\n    epochs 2\n    seed 7"

let private trained folder script arguments =
    let file = Cnn.write folder "net.cnn" script

    let result =
        Cnn.run folder ([ "train"; file; "--json"; "--out"; "run" ] @ arguments)

    Expect.equal result.ExitCode 0 result.Error
    result

let private hash (result: Cnn.Result) =
    string (result.Field("end", "weights_sha256"))

/// How the loss is scaled at the end of a run.
let private scalingOf folder run =
    let final = Path.Combine(folder, run, "checkpoints", "final.safetensors")
    (ReplicaState.PositionOf final).LossScaling

let private withDropout =
    (Cnn.lenet small).Replace("dense   84 relu", "dense   84 relu\n    dropout 0.4")

let private ofThreads = [ "--workers"; "2"; "--threads"; "1" ]

/// The run of two threads that others are measured by: what it said, and the hash of its weights.
let private reference =
    lazy (Cnn.inFolder (fun folder -> trained folder withDropout ofThreads))

/// The hash that a fresh run of the same script ends with.
let private hashOf arguments =
    Cnn.inFolder (fun folder -> hash (trained folder withDropout arguments))

[<Tests>]
let tests =
    testList
        "Cli.train"
        [ test "prints one JSON object a line, from start to end" {
              let result = reference.Value

              let names =
                  result.Events |> Array.map (fun e -> string e["event"]) |> Array.distinct

              Expect.equal names[0] "start" "first"
              Expect.equal (Array.last names) "end" "last"
              let start = result.Event "start"
              Expect.equal (int start["world"], int start["parameters"]) (2, 61706) "the run"
              Expect.equal (int start["threads"]) 1 "of each worker, as told"
              Expect.equal (string start["exchange"]) "threads" "how gradients travel"
              Expect.equal (start["workers"].AsArray().Count) 2 "one entry a worker"
              let epoch = result.Event "epoch"
              Expect.equal (int epoch["epoch"], int epoch["step"]) (2, 20) "320 images in batches of 32, twice"

              for key in [ "train_loss"; "val_loss"; "val_accuracy"; "images_per_second"; "learning_rate" ] do
                  Expect.isGreaterThan (float epoch[key]) 0.0 key

              Expect.equal (string (result.Field("stop", "reason"))) "epochs" "why it stopped"
              Expect.equal (hash result).Length 64 "a SHA-256"
          }
          test "warns of float16 on a CPU, stops after --steps, and says in a checkpoint how the loss is scaled" {
              Cnn.inFolder (fun folder ->
                  let file = Cnn.write folder "net.cnn" (Cnn.lenet small)

                  let result =
                      Cnn.run
                          folder
                          [ "train"; file; "--json"; "--steps"; "1"; "--out"; "run"; "--set"; "precision=float16" ]

                  Expect.equal result.ExitCode 0 result.Error
                  Expect.stringContains result.Error "bfloat16 is fast where the processor has it" "a warning"
                  Expect.equal (int (result.Field("epoch", "step"))) 1 "one step"

                  let scaling = scalingOf folder "run"
                  Expect.isGreaterThan scaling.Scale 0.0 "the scale"
                  let counted = scaling.GoodSteps + int scaling.SkippedSteps
                  Expect.equal counted 1 "one step, good or skipped")
          }
          test "--wire takes types of gradients, of a run whose gradients may be rounded" {
              Cnn.inFolder (fun folder ->
                  let refuses script wire (what: string) =
                      let file = Cnn.write folder "net.cnn" script
                      let result = Cnn.run folder [ "train"; file; "--wire"; wire; "--out"; "run" ]
                      Expect.equal result.ExitCode 2 result.Error
                      Expect.stringContains result.Error what "why"
                      Expect.isFalse (Directory.Exists(Path.Combine(folder, "run"))) "nothing was begun"

                  let exact = (Cnn.lenet small).Replace("    loss ", "    exact shards=2\n    loss ")
                  refuses (Cnn.lenet small) "int8" "--wire takes float32, bfloat16, float16; 'int8' is none of them"
                  refuses exact "bfloat16" "exact shards=2 has the same bits"
                  refuses (Cnn.lenet (small + "\n    precision float64")) "float16" "the script's precision is float64"

                  let file = Cnn.write folder "net.cnn" (Cnn.lenet small)

                  let kept =
                      Cnn.run folder [ "train"; file; "--wire"; "bfloat16"; "--steps"; "1"; "--out"; "run" ]

                  Expect.equal kept.ExitCode 0 kept.Error

                  Expect.stringContains
                      (File.ReadAllText(Path.Combine(folder, "run", "run.json")))
                      "\"wire\": \"bfloat16\""
                      "on record"

                  let again = Cnn.run folder [ "train"; "--resume"; "run"; "--wire"; "float32" ]
                  Expect.equal again.ExitCode 2 again.Error
                  Expect.stringContains again.Error "--wire cannot be changed" "as the run was started")
          }
          test "the same seed and world give the same weights, with dropout too, of threads and of processes" {
              Expect.equal (hashOf ofThreads) (hash reference.Value) "threads again"

              Expect.equal
                  (hashOf [ "--processes"; "2"; "--threads"; "1" ])
                  (hash reference.Value)
                  "processes: the collective does not matter"
          }
          test "another seed gives other weights, and the run's folder says what was run" {
              Cnn.inFolder (fun folder ->
                  let result = trained folder withDropout (ofThreads @ [ "--set"; "seed=8" ])
                  Expect.notEqual (hash result) (hash reference.Value) "the seed matters"
                  let run = Path.Combine(folder, "run")
                  let exists name = File.Exists(Path.Combine(run, name))
                  Expect.all [ "script.cnn"; "run.json"; "metrics.jsonl" ] exists "its files"

                  Expect.stringContains
                      (File.ReadAllText(Path.Combine(run, "script.cnn")))
                      "seed 8"
                      "the value that ran"

                  Expect.isNonEmpty (Directory.GetFiles(Path.Combine(run, "checkpoints"), "*.safetensors")) "states"
                  Expect.isNonEmpty (Directory.GetFiles(Path.Combine(run, "tb"))) "TensorBoard events")
          }
          test "several inputs, outputs and losses train over processes, with a key for each figure" {
              Cnn.inFolder (fun folder ->
                  let script = Replicas.pairs "batchnorm frozen" "    optimizer adam\n    epochs 2"
                  let result = trained folder script [ "--processes"; "2"; "--threads"; "1" ]

                  let figures =
                      [ "loss"; "loss_total"; "loss_apart_huber"; "loss_apart_mae"; "accuracy_total"; "mae_apart" ]

                  let epoch = result.Event "epoch"

                  for part in [ "train_"; "val_" ] do
                      for figure in figures do
                          Expect.isTrue (Double.IsFinite(float epoch[part + figure])) (part + figure)

                  let last = result.Event "end"
                  Expect.equal (float last["val_mae_apart"]) (float epoch["val_mae_apart"]) "the end has them too"

                  let eval = Cnn.run folder [ "eval"; "run"; "--json" ]
                  Expect.equal eval.ExitCode 0 eval.Error
                  let measured = JsonNode.Parse eval.Output
                  Expect.floatClose Accuracy.high (float measured["val_loss"]) (float last["val_loss"]) "eval's loss"
                  Expect.equal (measured["confusion_total"].AsArray().Count) 19 "a confusion matrix"
                  Expect.isNull measured["confusion_apart"] "none of numbers"

                  let again =
                      Cnn.run
                          folder
                          [ "train"
                            "net.cnn"
                            "--json"
                            "--out"
                            "again"
                            "--init"
                            "run/checkpoints/final.safetensors"
                            "--set"
                            "optimizer=sgd lr=0" ]

                  Expect.equal again.ExitCode 0 again.Error
                  Expect.equal (hash again) (hash result) "weights to start from, frozen ones among them")
          }
          test "regularization losses go by name: in events, in the run's folder, in cnn eval, and in the terminal" {
              Cnn.inFolder (fun folder ->
                  let regularized =
                      (Cnn.lenet small).Replace("dense   10", "dense   10 kernel-reg=l2(0.01) bias-reg=l1(0.1)")

                  let result = trained folder regularized [ "--workers"; "2"; "--epochs"; "1" ]
                  let epoch = result.Event "epoch"
                  let losses = epoch["regularization_losses"].AsObject()
                  Expect.sequenceEqual (losses |> Seq.map _.Key) [ "dense3/kernel"; "dense3/bias" ] "names"
                  let sum = losses |> Seq.sumBy (fun l -> float l.Value)
                  Expect.isGreaterThan (float losses["dense3/kernel"]) 0.0 "a loss"
                  Expect.floatClose Accuracy.veryHigh (float epoch["regularization_loss"]) sum "their sum"

                  Expect.stringContains
                      (File.ReadAllText(Path.Combine(folder, "run", "metrics.jsonl")))
                      (losses.ToJsonString())
                      "kept"

                  let eval = Cnn.run folder [ "eval"; "run"; "--json" ]
                  let again = (JsonNode.Parse eval.Output).["regularization_losses"]

                  Expect.floatClose
                      Accuracy.veryHigh
                      (float again["dense3/kernel"])
                      (float losses["dense3/kernel"])
                      "eval"

                  let plain = Cnn.run folder [ "train"; "net.cnn"; "--steps"; "1"; "--out"; "plain" ]

                  Expect.stringContains plain.Error "regularization 0." "the sum"
                  Expect.stringContains plain.Error ": dense3/kernel 0." "by name")
          } ]

[<Tests>]
let longTests =
    testList
        "Cli.train (long)"
        [ test "a resumed run goes on with the loss' scale and the count of skipped steps" {
              Cnn.inFolder (fun folder ->
                  // The scaled gradient overflows float16 in the first steps, and the scale is halved until it does not.
                  let script =
                      "network N {\n    input 28x28x1\n    flatten\n    dense 10 kernel-init=constant(0.05)\n"
                      + "    dense 10 kernel-init=constant(40) frozen\n}\n\ntrain N {\n    loss mse\n    precision float16\n"
                      + "    optimizer adam lr=1e-3\n    data digits train=64 test=32\n    batch 16\n    epochs 8\n    seed 3\n}\n"

                  let file = Cnn.write folder "net.cnn" script

                  let run arguments =
                      let result = Cnn.run folder ("train" :: "--json" :: arguments)
                      Expect.equal result.ExitCode 0 result.Error
                      result

                  let whole = run [ file; "--out"; "whole"; "--steps"; "32" ]
                  run [ file; "--out"; "parts"; "--steps"; "3" ] |> ignore
                  let before = scalingOf folder "parts"
                  let later = run [ "--resume"; "parts"; "--steps"; "32" ]
                  Expect.equal (hash later) (hash whole) "the weights"

                  Expect.equal
                      (scalingOf folder "parts")
                      (scalingOf folder "whole")
                      "scale, good steps and skipped steps"

                  Expect.equal before.SkippedSteps 3L "the first steps were skipped"
                  Expect.isLessThan (scalingOf folder "parts").SkippedSteps 32L "the last ones were not")
          }
          test "an epoch whose steps were all skipped has no training figures, and says so" {
              Cnn.inFolder (fun folder ->
                  // One step an epoch: the first ones overflow float16, until the scale is low enough.
                  let script =
                      "network N {\n    input 28x28x1\n    flatten\n    dense 10 kernel-init=constant(0.05)\n"
                      + "    dense 10 kernel-init=constant(4) frozen\n}\n\ntrain N {\n    loss mse\n    metric accuracy\n"
                      + "    precision float16\n    optimizer adam lr=1e-3\n    data digits train=16 test=16\n    batch 16\n"
                      + "    epochs 14\n    seed 3\n}\n"

                  let file = Cnn.write folder "net.cnn" script

                  let train further =
                      let result = Cnn.run folder ([ "train"; file; "--log-level"; "info" ] @ further)
                      Expect.equal result.ExitCode 0 result.Error
                      result

                  let told = train [ "--json"; "--out"; "told" ]

                  let epochs =
                      told.Events |> Array.filter (fun event -> string event["event"] = "epoch")

                  let isSkipped (event: JsonNode) = not (isNull event["skipped_steps"])
                  Expect.isTrue (isSkipped epochs[0]) "the first is skipped"
                  Expect.isFalse (isSkipped (Array.last epochs)) "the last is not"

                  for event in epochs do
                      for figure in [ "train_loss"; "train_accuracy" ] do
                          Expect.equal (isNull event[figure]) (isSkipped event) $"{figure} in {event}"

                      Expect.isNotNull event["val_loss"] "validation"

                  Expect.stringContains told.Error "epoch 1 ends at step 1: no step was applied, val_loss " "the log"

                  Expect.stringContains
                      (train [ "--out"; "shown" ]).Error
                      "1 step, all there were, skipped: "
                      "the terminal")
          } ]
