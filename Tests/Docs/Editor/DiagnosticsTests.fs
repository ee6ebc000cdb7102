/// What `cnn check --json` gives an editor, and what the extension makes of it.
module CnnCluster.Tests.Docs.Editor.DiagnosticsTests

open System
open System.Diagnostics
open System.IO
open System.Text.Json.Nodes
open Expecto
open CnnCluster.Tests
open CnnCluster.Tests.Cli
open CnnCluster.Tests.Docs

/// A block with a mistake that only some uses have, in a file that another one imports; and what else a script says.
let private blocks =
    "block half(filters) {\n    maxpool 2\n    conv filters 3x3 pading=1\n}\n\nblock twice(n) {\n    half n\n    half n\n}\n"

let private script =
    "import \"blocks.cnn\"\n\nnetwork N {\n    input 4x4x3\n    let unused = 3\n    twice 8\n    flaten\n    dense ten\n}\n"

let private golden = "Tests/Docs/Editor/check.jsonl"

let private check folder =
    Cnn.write folder "blocks.cnn" blocks |> ignore
    Cnn.write folder "net.cnn" script |> ignore
    let result = Cnn.run folder [ "check"; "--json"; "net.cnn" ]
    Expect.equal (result.ExitCode, result.Error) (2, "") "wrong, and nothing else to say"
    result.Output

/// Node.js is no requirement of the build: where it is missing, the editor's own is the first to run the extension.
let private node =
    (Environment.GetEnvironmentVariable "PATH").Split Path.PathSeparator
    |> Seq.map (fun folder -> Path.Combine(folder, "node"))
    |> Seq.tryFind File.Exists

let private runNode program (arguments: string list) (input: string) =
    let info =
        ProcessStartInfo(
            program,
            arguments,
            WorkingDirectory = Repository.file "docs/editor/vscode",
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        )

    use started = Process.Start info
    started.StandardInput.Write input
    started.StandardInput.Close()
    let result = Cnn.finish (TimeSpan.FromSeconds 30.0) started
    Expect.equal (result.ExitCode, result.Error) (0, "") "node"
    result.Output

let private mapping =
    "const { parse } = require('./diagnostics'); process.stdout.write(JSON.stringify(parse(require('fs').readFileSync(0, 'utf8'))))"

let private mapped program =
    let output =
        runNode program [ "-e"; mapping ] (File.ReadAllText(Repository.file golden))

    [ for found in JsonNode.Parse(output).AsArray() -> found ]

[<Tests>]
let tests =
    testList
        "Docs.editor diagnostics"
        [ test "check --json says all that an editor needs" {
              Cnn.inFolder (fun folder -> Accepted.isCurrent golden (check folder))
          }
          test "a mistake in an imported block has that file's place, and the chain of uses that led to it" {
              Cnn.inFolder (fun folder ->
                  let found =
                      (check folder).Split('\n', StringSplitOptions.RemoveEmptyEntries)
                      |> Array.map JsonNode.Parse
                      |> Array.find (fun mistake -> (string (mistake["message"])).Contains "pading")

                  Expect.equal
                      (string found["file"], int found["line"], int found["column"])
                      ("blocks.cnn", 3, 22)
                      "place"

                  let uses =
                      [ for one in found["uses"].AsArray() ->
                            string one["name"], string one["file"], int one["line"], int one["column"] ]

                  Expect.equal uses [ "half", "blocks.cnn", 7, 5; "twice", "net.cnn", 6, 5 ] "innermost first")
          }
          match node with
          | None ->
              test "the extension runs" { printfn "not run: node, which runs the editor's extension, is not on PATH" }
          | Some program ->
              for file in [ "extension.js"; "diagnostics.js" ] do
                  test $"{file} is JavaScript" { runNode program [ "--check"; file ] "" |> ignore }

              test "the extension counts from 0, and says what was expected and meant" {
                  let found =
                      mapped program |> List.find (fun one -> string one["suggestion"] = "flatten")

                  Expect.equal (string found["file"], string found["severity"]) ("net.cnn", "error") "where and what"

                  Expect.equal
                      (found["range"].ToJsonString())
                      """{"start":{"line":6,"character":4},"end":{"line":6,"character":10}}"""
                      "range"

                  Expect.stringContains (string found["message"]) "did you mean 'flatten'?" "message"
              }

              test "the extension keeps the chain of uses" {
                  let found =
                      mapped program |> List.find (fun one -> one["related"].AsArray().Count > 0)

                  let first = found["related"].[0]

                  Expect.equal
                      (string first["file"], string first["message"])
                      ("blocks.cnn", "in 'half', used here")
                      "the innermost use"

                  Expect.equal (int first["range"].["start"].["line"]) 6 "from 0"
              } ]
