module CnnCluster.Tests.Cli.CompareTests

open System
open System.Diagnostics
open System.IO
open System.Text.Json.Nodes
open Expecto

let private small =
    "    data digits train=64 test=32\n    optimizer sgd lr=0.05\n    batch 32\n    epochs 2\n    seed 7"

let private compare folder arguments = Cnn.run folder ("compare" :: arguments)

let private wrong (result: Cnn.Result) (expected: string list) =
    Expect.equal result.ExitCode 2 $"exit code 2; it said: {result.Error}"

    for part in expected do
        Expect.stringContains result.Error part "the message"

[<Tests>]
let tests =
    testList
        "Cli.compare"
        [ test "prints a table, says where the files are, and goes on with a folder" {
              Cnn.inFolder (fun folder ->
                  let regularized =
                      (Cnn.lenet small).Replace("dense   10", "dense   10 kernel-reg=l2(0.01)")

                  let file = Cnn.write folder "net.cnn" regularized

                  let result =
                      compare
                          folder
                          [ file
                            "--vary"
                            "optimizer=sgd lr=0.05"
                            "--vary"
                            "adam: optimizer=adam; batch=16"
                            "--seeds"
                            "2"
                            "--epochs"
                            "1"
                            "--out"
                            "c" ]

                  Expect.equal result.ExitCode 0 result.Error
                  Expect.stringContains result.Output "optimizer=sgd lr=0.05 │     2 │" "a row of two seeds"
                  Expect.stringContains result.Output " dense3/kernel " "the row of a regularized weight"
                  Expect.stringContains result.Output $"""comparison: {Path.Combine(folder, "c")}""" "where"
                  Expect.stringContains result.Error "2 variants, seeds 7, 8: 4 cells" "progress on standard error"
                  Expect.stringContains result.Error "4/4" "to the end"

                  for name in
                      [ "table.md"
                        "table.csv"
                        "curves.csv"
                        "results.json"
                        "curves.png"
                        "curves.svg"
                        "comparison.json" ] do
                      Expect.isTrue (File.Exists(Path.Combine(folder, "c", name))) name

                  let again = compare folder [ "--resume"; "c"; "--json" ]
                  Expect.equal again.ExitCode 0 again.Error
                  Expect.equal (int (again.Field("start", "finished"))) 4 "all are finished"
                  Expect.equal (again.Field("comparison", "variants").AsArray().Count) 2 "rows"

                  let description = Path.Combine(folder, "c", "comparison.json")
                  let text = File.ReadAllText description
                  // As if the samples had been others: the language has no second set of the same name.
                  let fingerprint = (JsonNode.Parse text).["data_fingerprints"].[0] |> string
                  File.WriteAllText(description, text.Replace(fingerprint, String('0', 64)))

                  wrong
                      (compare folder [ "--resume"; "c" ])
                      [ "The data of 'optimizer=sgd lr=0.05' is not what the comparison was begun with" ])
          }
          test "a variant that fails ends it with 1, when the others are trained" {
              Cnn.inFolder (fun folder ->
                  let file = Cnn.write folder "net.cnn" (Cnn.lenet small)

                  let result =
                      compare
                          folder
                          [ file
                            "--vary"
                            "wild: optimizer=sgd lr=1e38"
                            "--vary"
                            "none:"
                            "--seeds"
                            "1"
                            "--out"
                            "c" ]

                  Expect.equal result.ExitCode 1 result.Error
                  Expect.stringContains result.Error "1 of 2 cells failed" "said"
                  Expect.stringContains result.Output "0, 1 failed" "in the table")
          }
          test "another train part, of this file or of another, is a variant" {
              Cnn.inFolder (fun folder ->
                  let file = Cnn.write folder "net.cnn" (Cnn.lenet small)

                  Cnn.write folder "other.cnn" ((Cnn.smoothLenet small).Replace("LeNet5", "Smooth"))
                  |> ignore

                  let result =
                      compare
                          folder
                          [ file
                            "--vary"
                            "here: train=LeNet5"
                            "--vary"
                            "there: train=other.cnn:Smooth"
                            "--vary"
                            "alone: train=other.cnn"
                            "--seeds"
                            "1"
                            "--epochs"
                            "1"
                            "--json"
                            "--out"
                            "c" ]

                  Expect.equal result.ExitCode 0 result.Error

                  let hashes =
                      [ for e in result.Events do
                            if string e["event"] = "cell" then string e["weights_sha256"] ]

                  Expect.hasLength hashes 3 "cells"
                  Expect.equal hashes[1] hashes[2] "the file's only train part"
                  Expect.notEqual hashes[0] hashes[1] "another network")
          }
          test "what is wrong with the command is said with exit code 2" {
              Cnn.inFolder (fun folder ->
                  let file = Cnn.write folder "net.cnn" (Cnn.lenet small)
                  wrong (compare folder [ file ]) [ "--vary says what a variant changes" ]

                  wrong
                      (compare folder [ file; "--vary"; "optimizer=sdg"; "--vary"; "b: batchh=3" ])
                      [ "--vary optimizer=sdg: error: "
                        "  | optimizer=sdg\n  |           ^^^\n"
                        "did you mean 'sgd'"
                        "  | b: batchh=3\n  |    ^^^^^^" ]

                  wrong (compare folder [ file; "--vary"; "none:"; "--seeds"; "0" ]) [ "--seeds must be at least 1" ]

                  wrong
                      (compare folder [ file; "--vary"; "none:"; "--seeds"; "2000000000" ])
                      [ "--seeds must be at most" ]

                  wrong
                      (compare folder [ file; "--set"; "seed=9007199254740990"; "--vary"; "none:" ])
                      [ "--seeds 3 counts from the script's seed 9007199254740990 beyond the greatest seed" ]

                  wrong
                      (compare folder [ "--resume"; "nowhere"; "--seeds"; "3"; "--vary"; "none:" ])
                      [ "--vary, --seeds cannot be changed" ]

                  wrong
                      (compare folder [ file; "--vary"; "other: train=missing.cnn:X" ])
                      [ "missing.cnn cannot be read" ])
          } ]

[<Tests>]
let longTests =
    testList
        "Cli.compare (long)"
        [ test "Ctrl-C ends it with 130, and --resume goes on behind what was finished" {
              Cnn.inFolder (fun folder ->
                  let endless = (Cnn.lenet small).Replace("epochs 2", "epochs 100000")
                  let file = Cnn.write folder "net.cnn" endless

                  use cnn =
                      Cnn.startInterruptible
                          [ "compare"
                            file
                            "--vary"
                            "short: epochs=1"
                            "--vary"
                            "long:"
                            "--seeds"
                            "1"
                            "--json"
                            "--out"
                            "c" ]
                          folder

                  let rec await name =
                      match cnn.StandardOutput.ReadLine() with
                      | null -> failwith (cnn.StandardError.ReadToEnd())
                      | line when string (JsonNode.Parse line).["event"] = name -> ()
                      | _ -> await name

                  await "cell"
                  // The endless cell is at work when it has figures.
                  let metrics =
                      Path.Combine(folder, "c", "cells", "02-long", "seed-7", "metrics.jsonl")

                  let clock = Stopwatch.StartNew()

                  while not (File.Exists metrics && (File.ReadAllText metrics).Contains "\"epoch\"")
                        && clock.Elapsed < TimeSpan.FromSeconds 60.0 do
                      Threading.Thread.Yield() |> ignore

                  use kill = Process.Start("kill", [ "-INT"; string cnn.Id ])
                  kill.WaitForExit()
                  let result = Cnn.finish (TimeSpan.FromSeconds 20.0) cnn
                  Expect.equal result.ExitCode 130 result.Error

                  Expect.stringContains
                      result.Error
                      $"""cnn compare --resume {Path.Combine(folder, "c")}"""
                      "how to go on"

                  Expect.isTrue
                      (File.Exists(Path.Combine(folder, "c", "cells", "01-short", "seed-7", "cell.json")))
                      "kept"

                  Expect.isFalse
                      (File.Exists(Path.Combine(folder, "c", "cells", "02-long", "seed-7", "cell.json")))
                      "open")
          } ]
