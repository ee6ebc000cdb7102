module CnnCluster.Tests.Trainer.Storage.RunFolderTests

open System
open System.Collections.Generic
open System.IO
open Expecto
open CnnCluster.Tests.Trainer.Storage.TemporaryFolder
open CnnCluster.Trainer
open CnnCluster.Trainer.Storage

let private noon = DateTimeOffset(2031, 3, 9, 12, 5, 7, TimeSpan.FromHours 2.0)

let private description =
    RunDescription(
        Network = "lenet",
        Train = "quick",
        Seed = UInt64.MaxValue,
        World = 4,
        Workers = 2,
        Processes = 2,
        Devices = [| "cpu"; "cuda:0" |],
        Threads = 3,
        Data = "mnist",
        Versions = Dictionary(dict [ "cnn", "0.1.0"; "instruction set", "avx2" ]),
        Started = noon
    )

let private message act =
    let failure = Expect.throwsC (fun () -> act () |> ignore) id
    Expect.isTrue (failure :? UserException) $"the user's to put right: {failure}"
    failure.Message

[<Tests>]
let tests =
    testList
        "Storage.RunFolder"
        [ test "a requested folder is made with its parts" {
              inFolder (fun folder ->
                  let run = RunFolder.Create(Path.Combine(folder, "deep", "run"), "lenet", noon)
                  Expect.equal run.Location (Path.Combine(folder, "deep", "run")) "where it was asked for"
                  Expect.equal (names run.Location) [ "checkpoints"; "tb" ] "its folders"

                  let parts =
                      [ run.Script; run.Settings; run.Metrics; run.Checkpoints; run.TensorBoard ]

                  Expect.equal
                      [ for part in parts -> Path.GetRelativePath(run.Location, part) ]
                      [ "script.cnn"; "run.json"; "metrics.jsonl"; "checkpoints"; "tb" ]
                      "its parts")
          }
          test "an empty folder may be requested, one with content may not" {
              inFolder (fun folder ->
                  let path = (RunFolder.Create(folder, "lenet", noon)).Location
                  let again = message (fun () -> RunFolder.Create(path, "lenet", noon))
                  Expect.stringContains again "not empty" "says why")
          }
          test "a file in the place of the folder is refused" {
              inFolder (fun folder ->
                  let path = Path.Combine(folder, "file")
                  File.WriteAllText(path, "")
                  Expect.stringContains (message (fun () -> RunFolder.Create(path, "lenet", noon))) path "names it")
          }
          testSequenced
          <| test "without a request, the name has the network and the time, and a number if it is taken" {
              inFolder (fun folder ->
                  let before = Directory.GetCurrentDirectory()
                  Directory.SetCurrentDirectory folder

                  try
                      for _ in 1..3 do
                          RunFolder.Create(null, "lenet", noon) |> ignore
                  finally
                      Directory.SetCurrentDirectory before

                  Expect.equal
                      (names (Path.Combine(folder, "runs")))
                      [ "lenet-20310309-120507"; "lenet-20310309-120507-2"; "lenet-20310309-120507-3" ]
                      "three runs in one second")
          }
          test "script and settings are read back" {
              inFolder (fun folder ->
                  let run = RunFolder.Create(Path.Combine(folder, "run"), "lenet", noon)
                  run.WriteScript "network lenet ✓\n"
                  run.WriteSettings description
                  let again = RunFolder.Open run.Location
                  let read = again.ReadSettings()
                  Expect.equal (again.ReadScript()) "network lenet ✓\n" "script"
                  Expect.equal (read.ToJson()) (description.ToJson()) "settings"
                  Expect.equal read.Seed UInt64.MaxValue "a seed keeps all its bits"
                  Expect.equal read.Started noon "time"
                  Expect.sequenceEqual read.Devices [ "cpu"; "cuda:0" ] "devices"
                  Expect.isNull read.DataFolder "no data folder")
          }
          test "settings are indented JSON in snake case" {
              let lines = (description.ToJson()).Split Environment.NewLine
              Expect.contains lines "  \"data_folder\": null," "snake case"
              Expect.contains lines "    \"instruction set\": \"avx2\"" "versions as they are"
          }
          test "a folder that is no run is refused" {
              inFolder (fun folder ->
                  let refusal = message (fun () -> RunFolder.Open folder)
                  Expect.stringContains refusal "has no run.json" "says what is missing")
          }
          for title, text in
              [ "no JSON", "{"
                "a missing value", """{"network": "lenet"}"""
                "a null", description.ToJson().Replace("\"mnist\"", "null")
                "a null in its whole", "null" ] do
              test $"damaged settings are named: {title}" {
                  inFolder (fun folder ->
                      File.WriteAllText(Path.Combine(folder, "run.json"), text)
                      File.WriteAllText(Path.Combine(folder, "script.cnn"), "")
                      let run = RunFolder.Open folder
                      Expect.stringStarts (message run.ReadSettings) run.Settings "names the file")
              } ]
