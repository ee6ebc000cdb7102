/// Scripts about as long as the language allows.
module CnnCluster.Tests.Cli.LongScriptTests

open System
open System.IO
open Expecto
open CnnCluster.Dsl
open CnnCluster.Tests.Comparisons

let private script =
    Cnn.lenet "    data digits train=64 test=32\n    optimizer sgd lr=0.05\n    batch 32\n    epochs 1\n    seed 7"

/// Lines of a comment, of so many characters in all, or a little less; each of the characters has three bytes.
let private comment characters =
    let line = "# " + String('中', 8_997) + "\n"
    String.replicate (characters / line.Length) line

[<Tests>]
let tests =
    testList
        "Cli.long scripts"
        [ test "a script that is too long with what it imports is a mistake, and no run is begun" {
              Cnn.inFolder (fun folder ->
                  let half = comment (Limits.LongestScript / 2)
                  let imported = half + half.Substring(0, 9_000) + "block unused() {\n    relu\n}\n"
                  Cnn.write folder "blocks.cnn" imported |> ignore

                  let file = Cnn.write folder "net.cnn" ("import \"blocks.cnn\"\n\n" + half + script)

                  for arguments in [ [ "check" ]; [ "train"; "--out"; "run" ] ] do
                      let result = Cnn.run folder (arguments @ [ file ])
                      Expect.equal (result.ExitCode, result.Output) (2, "") arguments.Head

                      Expect.stringContains
                          result.Error
                          "net.cnn:1:1: error: this script is too long in its canonical form, with all that it imports"
                          "why"

                      Expect.stringContains result.Error "at most 1 MiB" "what is expected"

                  Expect.isFalse (Directory.Exists(Path.Combine(folder, "run"))) "no run")
          } ]

[<Tests>]
let longTests =
    testList
        "Cli.long scripts (long)"
        [ test "the longest script reaches the workers of other processes" {
              Cnn.inFolder (fun folder ->
                  let long = comment (Limits.LongestScript - script.Length) + script
                  Expect.isGreaterThan long.Length (Limits.LongestScript - 10_000) "about as long as may be"
                  let file = Cnn.write folder "net.cnn" long

                  let result =
                      Cnn.run folder [ "train"; file; "--processes"; "2"; "--threads"; "1"; "--json"; "--out"; "run" ]

                  Expect.equal result.ExitCode 0 result.Error
                  Expect.hasLength (Runs.workers (result.Event "start")) 2 "workers"
                  let kept = File.ReadAllText(Path.Combine(folder, "run", "script.cnn"))
                  Expect.stringContains kept (String('中', 8_997)) "what they were sent")
          } ]
