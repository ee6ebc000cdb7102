/// What cannot be written is said in a line, and the command has failed; what else it does is done.
module CnnCluster.Tests.Cli.OutputTests

open System
open System.IO
open Expecto
open CnnCluster.Tests
open CnnCluster.Tests.Cli

/// A device that takes nothing.
let private full = "/dev/full"

let private outputFull, private errorFull, private bothFull =
    ">/dev/full", "2>/dev/full", ">/dev/full 2>&1"

let private noSpace =
    "cnn: standard output cannot be written: No space left on device"

let private lenet = Repository.file "examples/lenet5.cnn"

let private small =
    "    data digits train=64 test=32\n    optimizer sgd lr=0.05\n    batch 32\n    epochs 1\n    seed 7"

let private trained arguments run (check: string -> Cnn.Result -> unit) =
    Cnn.inFolder (fun folder ->
        let file = Cnn.write folder "net.cnn" (Cnn.lenet small)
        check (Path.Combine(folder, "run")) (run folder ([ "train"; file; "--out"; "run" ] @ arguments)))

let private isWhole run =
    Expect.isTrue (File.Exists(Path.Combine(run, "checkpoints", "final.safetensors"))) "the weights are kept"
    Expect.stringContains (File.ReadAllText(Path.Combine(run, "metrics.jsonl"))) "\"event\":\"end\"" "to its end"

[<Tests>]
let tests =
    testList
        "Cli.output"
        [ if File.Exists full then
              for arguments in [ [ "describe"; lenet ]; [ "describe"; lenet; "--json" ]; [ "help"; "conv" ] ] do
                  let name = String.concat " " [ for word in arguments -> Path.GetFileName word ]

                  test $"{name}: an output that cannot be written is a line and exit code 1" {
                      Cnn.inFolder (fun folder ->
                          let result = Cnn.runInto outputFull folder arguments
                          Expect.equal (result.ExitCode, result.Error.TrimEnd()) (1, noSpace) "a line")
                  }

              test "train --json: the run goes on where its events cannot be printed" {
                  trained [ "--json" ] (Cnn.runInto outputFull) (fun run result ->
                      Expect.equal result.ExitCode 1 result.Error
                      Expect.stringContains result.Error noSpace "why"
                      Expect.isFalse (result.Error.Contains "Reader") "the user's words"
                      isWhole run)
              }

              test "check, describe and eval end with their own code where nothing can be said" {
                  trained [] Cnn.run (fun run trained ->
                      Expect.equal trained.ExitCode 0 trained.Error
                      Expect.stringContains trained.Output "val_accuracy: " "where all can be: the result"
                      Expect.stringContains trained.Output "run: " "and where it is, on standard output"
                      Expect.stringContains trained.Error "61,706 parameters" "and the beginning, on standard error"
                      Expect.isFalse (trained.Error.Contains "\027[") "no escape sequences where no terminal is"
                      let folder = Path.GetDirectoryName run
                      Cnn.write folder "wrong.cnn" "network A {\n    inptu 4\n}\n" |> ignore

                      for arguments, unsaid, unshown in
                          [ [ "check"; "wrong.cnn" ], 2, 2
                            [ "check"; "wrong.cnn"; "--json" ], 2, 1
                            [ "check"; "net.cnn" ], 0, 0
                            [ "describe"; "net.cnn" ], 0, 1
                            [ "describe"; "wrong.cnn" ], 2, 2
                            [ "eval"; "run" ], 0, 1
                            [ "eval"; "nowhere" ], 2, 2
                            [ "nonsense" ], 2, 2 ] do
                          for streams, code in [ errorFull, unsaid; bothFull, unshown ] do
                              let result = Cnn.runInto streams folder arguments
                              Expect.equal result.ExitCode code $"{arguments} {streams}")
              }

              test "an output that was closed before is one that cannot be written" {
                  Cnn.inFolder (fun folder ->
                      let result = Cnn.runInto ">&-" folder [ "describe"; lenet ]
                      Expect.equal result.ExitCode 1 result.Error
                      Expect.stringStarts result.Error "cnn: standard output cannot be written: " "a line")
              }
          test "describe --svg writes into a pipe that has a name" {
              if File.Exists "/dev/stdout" then
                  Cnn.inFolder (fun folder ->
                      let result = Cnn.run folder [ "describe"; lenet; "--svg"; "/dev/stdout" ]
                      Expect.equal (result.ExitCode, result.Error) (0, "") "silent"
                      Expect.stringStarts result.Output "<svg " "an SVG")
          }
          test "who stops reading is not told so" {
              if not (OperatingSystem.IsWindows()) then
                  Cnn.inFolder (fun folder ->
                      let result = Cnn.runUnread "" folder [ "describe"; lenet ]
                      Expect.equal (result.ExitCode, result.Error) (0, "") "quiet")
          } ]

[<Tests>]
let longTests =
    testList
        "Cli.output (long)"
        [ if File.Exists full then
              test "train: the run is kept where its result cannot be shown" {
                  trained [] (Cnn.runInto outputFull) (fun run result ->
                      Expect.equal result.ExitCode 1 result.Error
                      Expect.stringEnds (result.Error.TrimEnd()) noSpace "the last line"
                      isWhole run)
              }

              test "train --trace: the run ends as it would, and then its trace is said to be lost" {
                  trained [ "--trace"; full ] Cnn.run (fun run result ->
                      Expect.equal result.ExitCode 1 result.Error

                      Expect.stringEnds
                          (result.Error.TrimEnd())
                          "cnn: The trace /dev/full is not whole: No space left on device : '/dev/full'"
                          "why"

                      Expect.isNotEmpty result.Output "the result"
                      isWhole run)
              }

              test $"train {bothFull}: the run goes on where neither progress nor result can be shown" {
                  trained [] (Cnn.runInto bothFull) (fun run result ->
                      Expect.equal (result.ExitCode, result.Error) (1, "") "as its result deserves"
                      isWhole run)
              }

              test "train --processes 2>/dev/full: no process ends for what it cannot say" {
                  trained [ "--processes"; "2"; "--log-format"; "json" ] (Cnn.runInto errorFull) (fun run result ->
                      Expect.equal result.ExitCode 0 "well"
                      Expect.stringContains result.Output "weights_sha256: " "the result"
                      isWhole run)
              }

          test "train: who stops reading ends no run" {
              if not (OperatingSystem.IsWindows()) then
                  for arguments in [ []; [ "--json" ] ] do
                      trained arguments (Cnn.runUnread "2>&1") (fun run result ->
                          Expect.equal (result.ExitCode, result.Error) (0, "") "quiet"
                          isWhole run)
          } ]
