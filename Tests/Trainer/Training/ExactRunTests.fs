/// Exact mode in real runs of the program.
module CnnCluster.Tests.Trainer.Training.ExactRunTests

open System.IO
open System.Text.Json.Nodes
open Expecto
open CnnCluster.Tests.Cli
open CnnCluster.Tests.Comparisons

let private settings shards batch =
    $"    data digits train=150 test=70\n    optimizer sgd lr=0.05 momentum=0.9\n    augment rotate\n    batch {batch}\n    epochs 2\n    seed 5\n    exact shards={shards}"

let private lenet = Cnn.lenet (settings 8 64)

/// LeNet-5 with what makes a worker's slice depend on the others'.
let private normalised (script: string) =
    script.Replace("5x5 relu", "5x5\n    batchnorm relu\n    dropout 0.2")

/// What must be the same: the weights, and of each epoch every figure.
let private figures (result: Cnn.Result) =
    let figure (name: string) =
        name.StartsWith "train_" || name.StartsWith "val_"

    [ for event in result.Events do
          match string event["event"] with
          | "epoch" ->
              for pair in event.AsObject() do
                  if figure pair.Key then $"{pair.Key} {pair.Value}"
          | "end" -> string event["weights_sha256"]
          | _ -> () ]

let private train folder script name arguments =
    let file = Cnn.write folder "net.cnn" script
    let result = Cnn.run folder ([ "train"; file; "--json"; "--out"; name ] @ arguments)
    Expect.equal result.ExitCode 0 result.Error
    result

/// Every world has the figures of the first.
let private agree script worlds =
    Cnn.inFolder (fun folder ->
        let runs =
            [ for i, world in List.indexed worlds -> world, figures (train folder script $"run{i}" world) ]

        let _, first = runs.Head
        Expect.isGreaterThan first.Length 4 "two epochs' figures, and the hash"

        for world, run in runs.Tail do
            Expect.equal run first (String.concat " " world))

let private refused arguments (parts: string list) =
    Cnn.inFolder (fun folder ->
        let file = Cnn.write folder "net.cnn" lenet
        let result = Cnn.run folder ([ "train"; file; "--out"; "run" ] @ arguments)
        Expect.equal result.ExitCode 2 result.Error

        for part in parts do
            Expect.stringContains result.Error part "what it says"

        Expect.isFalse (Directory.Exists(Path.Combine(folder, "run"))) "nothing has begun")

[<Tests>]
let tests =
    testList
        "Trainer.Exact runs"
        [ test "run.json says how many shards there are, and cnn eval finds the figure of the run" {
              Cnn.inFolder (fun folder ->
                  let result = train folder lenet "run" [ "--workers"; "2" ]

                  let run = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "run", "run.json")))

                  Expect.equal (int run["exact_shards"]) 8 "shards"
                  Expect.equal (int run["threads"]) 1 "threads"
                  let evaluated = Cnn.run folder [ "eval"; "run"; "--json" ]
                  Expect.equal evaluated.ExitCode 0 evaluated.Error

                  Expect.equal
                      (string (JsonNode.Parse evaluated.Output).["val_loss"])
                      (string (result.Field("epoch", "val_loss")))
                      "to the last digit")
          }
          test "more workers than shards are refused before anything starts" {
              refused [ "--processes"; "3"; "--workers"; "3" ] [ "exact shards=8"; "9" ]
          }
          test "several threads in a worker are refused before anything starts" {
              refused [ "--threads"; "2" ] [ "exact shards=8"; "one thread" ]
          }
          test "a variant of a comparison that cannot be exact is refused" {
              Cnn.inFolder (fun folder ->
                  let file = Cnn.write folder "net.cnn" lenet

                  let result =
                      Cnn.run
                          folder
                          [ "compare"
                            file
                            "--vary"
                            "exact=shards=2"
                            "--vary"
                            "batch=32"
                            "--workers"
                            "3"
                            "--out"
                            "all" ]

                  Expect.equal result.ExitCode 2 result.Error
                  Expect.stringContains result.Error "exact shards=2" "what it says")
          } ]

[<Tests>]
let longTests =
    let all =
        [ for workers in [ "1"; "2"; "3"; "4"; "7" ] -> [ "--workers"; workers ] ]
        @ [ [ "--processes"; "2" ]
            [ "--processes"; "3" ]
            [ "--processes"; "2"; "--workers"; "2" ]
            [ "--processes"; "3"; "--workers"; "2" ] ]

    let some =
        [ [ "--workers"; "1" ]; [ "--workers"; "7" ]; [ "--processes"; "2"; "--workers"; "2" ] ]

    testList
        "Trainer.Exact runs (long)"
        [ for precision, accumulate, name, change, worlds in
              [ "float32", 1, "LeNet-5", id, some
                "float32", 1, "LeNet-5 with batch norm and dropout", normalised, all
                "float64", 2, "LeNet-5 with batch norm and dropout", normalised, some ] do
              test $"{name}, {precision}, {accumulate} batches a step: threads, processes and both have the same bits" {
                  let settings =
                      $"{settings 7 50}\n    precision {precision}\n    accumulate {accumulate}"

                  agree (change (Cnn.lenet settings)) worlds
              } ]
