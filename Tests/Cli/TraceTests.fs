module CnnCluster.Tests.Cli.TraceTests

open System
open System.IO
open System.Text.RegularExpressions
open Expecto
open CnnCluster.Tests
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Docs
open CnnCluster.Tests.Trainer.Tracing

let private small =
    "    data digits train=320 test=100\n    optimizer sgd lr=0.05\n    clip norm=1\n    batch 32\n    epochs 2\n    seed 7"

let private traced arguments (check: string -> unit) =
    Cnn.inFolder (fun folder ->
        let file = Cnn.write folder "net.cnn" (Cnn.lenet small)

        let result =
            Cnn.run
                folder
                ([ "train"; file; "--json"; "--out"; "run"; "--threads"; "1"; "--trace"; "t.json" ]
                 @ arguments)

        Expect.equal result.ExitCode 0 result.Error
        check (Path.Combine(folder, "t.json")))

/// The names that the page of the figures explains.
let private documented =
    Markdown.lines "docs/performance.md"
    |> Markdown.section "What is in a trace"
    |> Markdown.rows
    |> List.map List.head
    |> List.collect (fun cell -> [ for name in cell.Split ',' -> name.Trim() ])

let private seen category (spans: Traces.Span list) =
    spans
    |> List.filter (fun span -> span.Category = category)
    |> List.map _.Name
    |> List.distinct

let private areExplained spans =
    Expect.containsAll documented (seen "step" spans @ seen "phase" spans) "every name is explained"

/// The names that stand in the sources: of some, no short run has a span.
let private namesInSources =
    [ for room in [ "Kernels"; "Dsl"; "Trainer.Actors" ] do
          let files =
              Directory.EnumerateFiles(Repository.file room, "*.?s", SearchOption.AllDirectories)

          for file in files do
              for call in Regex.Matches(File.ReadAllText file, "Trace\\.(?:Span|Phase)\\(\"([^\"]+)\"\\)") do
                  call.Groups[1].Value ]
    |> List.distinct

let private layers =
    [ "conv1"; "maxpool1"; "conv2"; "maxpool2"; "flatten1"; "dense1"; "dense2"; "dense3" ]

[<Tests>]
let tests =
    testList
        "Cli.trace"
        [ test "shows the parts of every step, nested, by names that are documented" {
              traced [] (fun path ->
                  let spans = Traces.spans path
                  Expect.isEmpty (Traces.crossings spans) "spans of a thread nest"

                  let named name =
                      spans |> List.filter (fun span -> span.Name = name)

                  Expect.equal [ for step in named "step" -> step.Step ] [ 1L .. 20L ] "a step, and its number"
                  Expect.equal [ for epoch in named "epoch" -> epoch.Epoch ] [ 1; 2 ] "epochs"

                  for name in [ "forward"; "loss"; "backward"; "all-reduce"; "update"; "clip"; "rule" ] do
                      Expect.isGreaterThanOrEqual (named name).Length 20 name

                  areExplained spans

                  let paths =
                      [ for name in seen "layer" spans do
                            yield! name.Split " to " ]

                  Expect.containsAll layers paths "layers by their paths, those that are one by the first and the last"
                  Expect.containsAll paths [ "conv1"; "dense3" ] "from the first to the last"

                  Expect.equal
                      (List.sort (seen "layer backward" spans))
                      [ "conv1 to maxpool1"; "conv2 to maxpool2"; "dense1"; "dense2"; "dense3" ]
                      "stages of one run, backward"

                  Expect.containsAll (seen "layer" spans) (seen "layer backward" spans) "as forward")
          }
          test "every name that the sources give a span is explained" {
              Expect.isGreaterThan namesInSources.Length 10 "names"
              Expect.containsAll documented namesInSources "on the page"
          }
          test "a file that cannot be written, or a wrong number of steps, ends with 2 before anything runs" {
              Cnn.inFolder (fun folder ->
                  let file = Cnn.write folder "net.cnn" (Cnn.lenet small)

                  for arguments, message in
                      [ [ "--trace"; "none/t.json" ], "none/t.json cannot be written"
                        [ "--trace"; "t.json"; "--trace-steps"; "0" ], "--trace-steps must be at least 1; it is 0"
                        [ "--trace-steps"; "5" ], "--trace-steps needs --trace FILE" ] do
                      let result = Cnn.run folder ([ "train"; file; "--out"; "run" ] @ arguments)
                      Expect.equal result.ExitCode 2 message
                      Expect.stringContains result.Error message "what is wrong"
                      Expect.isFalse (Directory.Exists(Path.Combine(folder, "run"))) "no run")
          }
          test "says how many threads a worker has, and warns where workers share cores" {
              Cnn.inFolder (fun folder ->
                  let file = Cnn.write folder "net.cnn" (Cnn.lenet small)
                  let cores = Environment.ProcessorCount

                  let started workers arguments =
                      let result =
                          Cnn.run
                              folder
                              ([ "train"; file; "--json"; "--steps"; "1"; "--workers"; string<int> workers ]
                               @ arguments)

                      Expect.equal result.ExitCode 0 result.Error
                      int (result.Field("start", "threads")), result.Error

                  let alone, quiet = started 1 []
                  Expect.equal alone cores "one worker has every core"
                  Expect.equal quiet "" "nothing to warn of"
                  let crowded, warning = started (cores + 1) []
                  Expect.equal crowded 1 "one at least"
                  Expect.stringContains warning $"{cores + 1} workers share {cores} cores" "a warning"

                  let many, warning =
                      started 1 [ "--threads"; string<int>(cores + 1); "--devices"; "cpu,cpu" ]

                  Expect.equal many (cores + 1) "as told"
                  Expect.stringContains warning $"{cores + 1} threads share {cores} cores" "threads"
                  Expect.stringContains warning "more devices than workers: cpu\n" "devices")
          } ]

[<Tests>]
let longTests =
    testList
        "Cli.trace (long)"
        [ test "keeps to the first steps where it is told to" {
              traced [ "--trace-steps"; "3" ] (fun path ->
                  let steps = Traces.spans path |> List.filter (fun span -> span.Name = "step")
                  Expect.equal [ for step in steps -> step.Step ] [ 1L; 2L; 3L ] "three")
          }
          test "has the threads of all processes in one file, and keeps to the first steps of each where it is told to" {
              traced [ "--processes"; "2"; "--trace-steps"; "3" ] (fun path ->
                  let workers =
                      Traces.threads path |> List.filter (fun (_, name) -> name.StartsWith "worker")

                  Expect.equal (workers |> List.map (fst >> fst) |> List.distinct |> List.length) 2 "processes"
                  let spans = Traces.spans path
                  Expect.isEmpty (Traces.crossings spans) "spans of a thread nest"

                  areExplained spans

                  for (place, name) in workers |> List.filter (fun (_, name) -> not (name.Contains "'s ")) do
                      let own = spans |> List.filter (fun span -> (span.Process, span.Thread) = place)

                      let steps = own |> List.filter (fun span -> span.Name = "step")
                      Expect.equal [ for step in steps -> step.Step ] [ 1L; 2L; 3L ] name)
          } ]
