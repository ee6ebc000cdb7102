/// Runs whose best weights were kept in a step's file, and could not be copied to that of the best.
module CnnCluster.Tests.Cli.BestStateTests

open System.IO
open System.Text.Json.Nodes
open Expecto
open CnnCluster.Tests
open CnnCluster.Trainer.Storage
open CnnCluster.Trainer.Training
open CnnCluster.Tests.Comparisons

/// Two epochs, each better than the one before, and then as good as none at all.
let private settings =
    "    data digits train=64 test=64\n    optimizer sgd lr=0.1\n    schedule step epochs=2 factor=0\n    batch 32\n"
    + "    epochs 2\n    early-stop patience=100 restore=best\n    seed 7"

let private one = [ "--json"; "--threads"; "1" ]

let private checkpoint folder name =
    Path.Combine(folder, "run", "checkpoints", $"{name}.safetensors")

/// The files of a run whose second epoch was its best, and the hash of the weights that it ended with.
let private whole =
    lazy
        (Cnn.inFolder (fun folder ->
            let file = Cnn.write folder "net.cnn" (Cnn.lenet settings)
            let run = Cnn.run folder ([ "train"; file; "--out"; "run" ] @ one)
            Expect.equal run.ExitCode 0 run.Error
            Expect.equal (int (run.Field("stop", "best_epoch"))) 2 "the second epoch is the best"

            let files =
                [ for path in Directory.GetFiles(folder, "*", SearchOption.AllDirectories) ->
                      Path.GetRelativePath(folder, path), File.ReadAllBytes path ]

            files, string (run.Field("end", "weights_sha256"))))

/// A copy of that run, cut before it ended, but for the file of the best; and the hash that it would end with.
let private withoutCopy (leave: string -> unit) act =
    Cnn.inFolder (fun folder ->
        let files, hash = whole.Value

        for name, bytes in files do
            let path = Path.Combine(folder, name)
            Directory.CreateDirectory(Path.GetDirectoryName path) |> ignore
            File.WriteAllBytes(path, bytes)

        File.Delete(checkpoint folder "final")
        leave folder
        act folder hash)

let private nothing folder = File.Delete(checkpoint folder "best")

let private older folder =
    File.Copy(checkpoint folder "step-00000002", checkpoint folder "best", overwrite = true)

/// Of an event about a state.
let private stepOf (event: JsonNode) =
    let name = string event["state"]
    int64 (name.Substring(name.LastIndexOf '-' + 1))

[<Tests>]
let tests =
    testList
        "Cli.best state (long)"
        [ for what, leave in [ "no file of the best", nothing; "an earlier best in its file", older ] do
              test $"a resumed run with {what} ends with the best epoch's weights, from its step" {
                  withoutCopy leave (fun folder best ->
                      let resumed = Cnn.run folder ([ "train"; "--resume"; "run"; "--epochs"; "3" ] @ one)
                      Expect.equal resumed.ExitCode 0 resumed.Error
                      Expect.equal (int (resumed.Field("stop", "best_epoch"))) 2 "still"
                      Expect.equal (string (resumed.Field("end", "weights_sha256"))) best "its weights"

                      Expect.equal
                          (File.ReadAllBytes(checkpoint folder "best"))
                          (File.ReadAllBytes(checkpoint folder "step-00000004"))
                          "the copy is made up for")
              }
          test "eval of a run that was cut measures its best weights where only their copy is missing" {
              for leave in [ nothing; older ] do
                  withoutCopy leave (fun folder _ ->
                      let measured = Cnn.run folder [ "eval"; "run"; "--json" ]
                      Expect.equal measured.ExitCode 0 measured.Error

                      Expect.equal
                          (string (JsonNode.Parse measured.Output).["weights"])
                          (checkpoint folder "step-00000004")
                          "the best step's")
          }
          test "a disk that is full for the copy alone leaves the best weights in their step's file" {
              if File.Exists "/dev/full" then
                  let script = Cnn.lenet (Runs.settings 1_000_000)

                  Runs.running script [] (fun run ->
                      run.Next "start" |> ignore
                      let copy = checkpoint run.Folder "best"
                      let link = copy + ".link"
                      File.CreateSymbolicLink(link, "/dev/full") |> ignore
                      File.Move(link, copy, overwrite = true)

                      let isOfBest (event: JsonNode) =
                          (string event["state"]).StartsWith "best-step-"

                      let lost = run.Next("unwritten", isOfBest)
                      Expect.stringContains (string lost["reason"]) "No space left on device" "why"
                      run.Signal "KILL"
                      run.End() |> ignore

                      if not (isNull (File.ResolveLinkTarget(copy, false))) then
                          File.Delete copy

                      let latest = CheckpointStore(Path.GetDirectoryName copy).Latest
                      let best = ReplicaState.PositionOf(latest).EarlyStopping.BestStep
                      let measured = Cnn.run run.Folder [ "eval"; "run"; "--json" ]
                      Expect.equal measured.ExitCode 0 measured.Error
                      let weights = string (JsonNode.Parse measured.Output).["weights"]

                      Expect.equal
                          (ReplicaState.PositionOf(weights).EarlyStopping.BestStep)
                          best
                          "those that the last checkpoint says are the best"

                      Expect.isGreaterThanOrEqual best (stepOf lost) "no earlier ones")
          }
          test "a run whose best weights are in no file any more is refused, not ended with others" {
              withoutCopy older (fun folder _ ->
                  let more = Cnn.run folder ([ "train"; "--resume"; "run"; "--epochs"; "6" ] @ one)
                  Expect.equal more.ExitCode 0 more.Error
                  Expect.isFalse (File.Exists(checkpoint folder "step-00000004")) "it is too old by now"
                  File.Delete(checkpoint folder "best")
                  let again = Cnn.run folder ([ "train"; "--resume"; "run"; "--epochs"; "7" ] @ one)
                  Expect.equal again.ExitCode 2 again.Error

                  Expect.stringContains
                      again.Error
                      "the best weights so far, of epoch 2, are in none of the run's files: best.safetensors is not there"
                      "why"

                  File.Delete(checkpoint folder "final")
                  let measured = Cnn.run folder [ "eval"; "run"; "--json" ]
                  Expect.equal measured.ExitCode 0 measured.Error
                  Expect.stringContains measured.Error "are in none of the run's files" "it is said"

                  Expect.equal
                      (string (JsonNode.Parse measured.Output).["weights"])
                      (checkpoint folder "step-00000012")
                      "the last step's, then")
          } ]
