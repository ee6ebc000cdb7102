/// Scripts that import others, by their paths on disk.
module CnnCluster.Tests.Cli.ImportsTests

open System.IO
open System.Text.Json.Nodes
open Expecto
open CnnCluster.Tests.Cli

let private convolution =
    "block cbr(filters) {\n    conv filters 3x3 pad=same\n    batchnorm relu\n}\n"

let private cell =
    "import \"../base/cbr.cnn\"\n\nblock cell(filters) {\n    cbr filters\n    cbr filters\n}\n"

/// One of its two imports is one of the other's too, under another path.
let private script =
    "import \"cells/cell.cnn\"\nimport \"./base/../base/cbr.cnn\"\n\nnetwork N {\n    input 28x28x1\n    cell 2\n    cbr 2\n    flatten\n    dense 10\n}\n\ntrain N {\n    data digits train=32 test=16\n    loss cross-entropy\n    optimizer sgd lr=0.1\n    batch 16\n    epochs 1\n}\n"

/// `lib/net.cnn` and what it imports, and `work`, an empty folder beside it to run in.
let private inFolders act =
    Cnn.inFolder (fun folder ->
        for name, text in [ "lib/base/cbr.cnn", convolution; "lib/cells/cell.cnn", cell; "lib/net.cnn", script ] do
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(folder, name)))
            |> ignore

            Cnn.write folder name text |> ignore

        let work = Directory.CreateDirectory(Path.Combine(folder, "work")).FullName
        act folder work)

let private outcome (result: Cnn.Result) =
    result.ExitCode, result.Output, result.Error

let private layers (result: Cnn.Result) =
    Expect.equal (result.ExitCode, result.Error) (0, "") "described"
    [ for layer in (JsonNode.Parse result.Output).["layers"].AsArray() -> string layer["name"] ]

[<Tests>]
let tests =
    testList
        "Cli.imports"
        [ test "paths are relative to the file that imports, wherever the command runs" {
              inFolders (fun folder work ->
                  let absolute = Path.Combine(folder, "lib/net.cnn")

                  for place, path in [ work, "../lib/net.cnn"; folder, "lib/net.cnn"; work, absolute ] do
                      Expect.equal (outcome (Cnn.run place [ "check"; path ])) (0, "", "") path

                  let names =
                      layers (Cnn.run work [ "describe"; "../lib/net.cnn"; "--json"; "--depth"; "1" ])

                  Expect.equal names [ "cell1"; "cbr1"; "flatten1"; "dense1" ] "layers")
          }
          test "a mistake in an imported file has its path as seen from where the command runs" {
              inFolders (fun folder work ->
                  Cnn.write folder "lib/base/cbr.cnn" (convolution.Replace("relu", "rellu"))
                  |> ignore

                  let result = Cnn.run work [ "check"; "../lib/net.cnn" ]
                  Expect.equal (result.ExitCode, result.Output) (2, "") "wrong"
                  Expect.stringContains result.Error "../lib/base/cbr.cnn:3:15: error: " "its place"
                  Expect.stringContains result.Error "did you mean 'relu'?" "the mistake")
          }
          test "a file that is not there is said where it is imported, and so by every command" {
              inFolders (fun folder work ->
                  File.Delete(Path.Combine(folder, "lib/base/cbr.cnn"))

                  for arguments in [ [ "check" ]; [ "describe" ]; [ "train"; "--out"; "run" ] ] do
                      let result = Cnn.run work (arguments @ [ "../lib/net.cnn" ])
                      Expect.equal (result.ExitCode, result.Output) (2, "") arguments.Head

                      Expect.stringContains
                          result.Error
                          "../lib/cells/cell.cnn:1:8: error: '../base/cbr.cnn' cannot be imported"
                          "where it is imported"

                  Expect.isEmpty (Directory.GetFileSystemEntries work) "no run was begun")
          }
          test "a link to a file is imported like the file" {
              inFolders (fun _ work ->
                  File.CreateSymbolicLink(Path.Combine(work, "linked.cnn"), "../lib/base/cbr.cnn")
                  |> ignore

                  let file =
                      Cnn.write work "net.cnn" "import \"linked.cnn\"\n\nnetwork N {\n    input 8x8x1\n    cbr 2\n}\n"

                  Expect.equal (outcome (Cnn.run work [ "check"; file ])) (0, "", "") "silent"
                  Expect.equal (layers (Cnn.run work [ "describe"; file; "--json" ])).Length 2 "layers")
          }
          test "what a link to a folder holds is imported relative to the link's path" {
              inFolders (fun _ work ->
                  Directory.CreateSymbolicLink(Path.Combine(work, "library"), "../lib") |> ignore
                  Expect.equal (outcome (Cnn.run work [ "check"; "library/net.cnn" ])) (0, "", "") "silent")
          }
          test "the script in a run's folder stands alone" {
              inFolders (fun folder work ->
                  let run = Cnn.run work [ "train"; "../lib/net.cnn"; "--json"; "--out"; "run" ]
                  Expect.equal run.ExitCode 0 run.Error
                  let expected = layers (Cnn.run work [ "describe"; "../lib/net.cnn"; "--json" ])
                  Directory.Delete(Path.Combine(folder, "lib"), true)
                  let canonical = "run/script.cnn"
                  Expect.isFalse ((File.ReadAllText(Path.Combine(work, canonical))).Contains "import") "no imports"
                  Expect.equal (outcome (Cnn.run work [ "check"; canonical ])) (0, "", "") "check"
                  Expect.equal (outcome (Cnn.run work [ "fmt"; "--check"; canonical ])) (0, "", "") "canonical"
                  Expect.equal (layers (Cnn.run work [ "describe"; canonical; "--json" ])) expected "the same layers"
                  let again = Cnn.run work [ "train"; canonical; "--json"; "--out"; "again" ]
                  Expect.equal again.ExitCode 0 again.Error

                  Expect.equal
                      (string (again.Field("end", "weights_sha256")))
                      (string (run.Field("end", "weights_sha256")))
                      "the same run")
          } ]
