module CnnCluster.Tests.Cli.CommandTests

open System
open System.Diagnostics
open System.IO
open System.Text.Json.Nodes
open Expecto
open CnnCluster.Tests
open CnnCluster.Tests.Cli

let private lenet = Repository.file "examples/lenet5.cnn"

let private described folder =
    let result = Cnn.run folder [ "describe"; lenet; "--json" ]
    Expect.equal result.ExitCode 0 result.Error
    JsonNode.Parse result.Output

let private small =
    "    data digits train=640 test=200\n    optimizer sgd lr=0.05 momentum=0.9\n    batch 32\n    epochs 2\n    early-stop patience=5 restore=best\n    seed 7"

/// Reads standard output up to the first epoch.
let private untilFirstEpoch (cnn: Process) =
    let rec next () =
        match cnn.StandardOutput.ReadLine() with
        | null -> failtest (cnn.StandardError.ReadToEnd())
        | line when line.Contains "\"epoch\"" -> ()
        | _ -> next ()

    next ()

[<Tests>]
let tests =
    testList
        "Cli.commands"
        [ test "every example is right" {
              Cnn.inFolder (fun folder ->
                  let examples =
                      Directory.GetFiles(Repository.file "examples", "*.cnn") |> List.ofArray

                  let result = Cnn.run folder ("check" :: examples)
                  Expect.equal (result.ExitCode, result.Error) (0, "") "silent")
          }
          test "describe: LeNet-5 has 61,706 parameters and sees 5, 6, 14 and 16 pixels" {
              Cnn.inFolder (fun folder ->
                  let network = described folder
                  Expect.equal (int network["parameters"]) 61706 "parameters"
                  let layers = network["layers"].AsArray() |> Seq.take 4 |> List.ofSeq

                  let fields =
                      [ for layer in layers -> layer["receptive_field"].AsArray() |> Seq.map int |> List.ofSeq ]

                  Expect.equal fields [ [ 5; 5 ]; [ 6; 6 ]; [ 14; 14 ]; [ 16; 16 ] ] "receptive fields"
                  let parameters = [ for layer in layers -> int layer["parameters"] ]
                  Expect.equal parameters [ 6 * 26; 0; 16 * (6 * 25 + 1); 0 ] "N(Dk²+1)")
          }
          test "describe prints a table, and leaves open sides open" {
              Cnn.inFolder (fun folder ->
                  let file =
                      Cnn.write
                          folder
                          "open.cnn"
                          "network Open {\n    input ?x?x3\n    conv 8 3x3 pad=same relu\n    maxpool 2\n}\n"

                  let table = (Cnn.run folder [ "describe"; file ]).Output
                  Expect.stringContains table "?x?x8" "open"
                  let filled = (Cnn.run folder [ "describe"; file; "--input"; "32x48x3" ]).Output
                  Expect.stringContains filled "16x24x8" "filled in")
          }
          test "describe --svg and --dot write files, over what is there, and print no table" {
              Cnn.inFolder (fun folder ->
                  let svg, dot = Cnn.write folder "net.svg" "old", Path.Combine(folder, "net.dot")

                  let result =
                      Cnn.run folder [ "describe"; lenet; "--svg"; "net.svg"; "--dot"; "net.dot" ]

                  Expect.equal (result.ExitCode, result.Output, result.Error) (0, "", "") "silent"
                  Expect.stringStarts (File.ReadAllText svg) "<svg " "an SVG"
                  Expect.stringStarts (File.ReadAllText dot) "digraph \"LeNet5\" {" "a graph")
          }
          test "describe replaces a drawing whole: who reads the old one reads it to its end; a link stays a link" {
              Cnn.inFolder (fun folder ->
                  let svg = Cnn.write folder "net.svg" "old"
                  let link = Path.Combine(folder, "link.svg")
                  File.CreateSymbolicLink(link, svg) |> ignore
                  use reader = new StreamReader(svg)
                  let result = Cnn.run folder [ "describe"; lenet; "--svg"; "link.svg" ]
                  Expect.equal (result.ExitCode, result.Error) (0, "") "silent"
                  Expect.equal (reader.ReadToEnd()) "old" "the reader's"
                  Expect.isNotNull (File.ResolveLinkTarget(link, false)) "still a link"
                  Expect.stringStarts (File.ReadAllText svg) "<svg " "an SVG"
                  Expect.equal (Directory.GetFiles(folder).Length) 2 "nothing is left over")
          }
          test "describe --dot - prints the graph" {
              Cnn.inFolder (fun folder ->
                  let result = Cnn.run folder [ "describe"; lenet; "--dot"; "-" ]
                  Expect.equal result.ExitCode 0 result.Error
                  Expect.stringStarts result.Output "digraph " "the graph alone"
                  Expect.stringEnds result.Output "}\n" "the graph alone")
          }
          test "describe --svg says where it cannot write" {
              Cnn.inFolder (fun folder ->
                  let result = Cnn.run folder [ "describe"; lenet; "--svg"; "nowhere/net.svg" ]
                  Expect.equal result.ExitCode 2 "wrong input"
                  Expect.stringStarts result.Error "cnn: nowhere/net.svg cannot be written: " "the path")
          }
          test "describe refuses two documents on standard output, and a depth of 0" {
              Cnn.inFolder (fun folder ->
                  for arguments in [ [ "--json"; "--svg"; "-" ]; [ "--svg"; "-"; "--dot"; "-" ]; [ "--depth"; "0" ] ] do
                      let result = Cnn.run folder ([ "describe"; lenet ] @ arguments)
                      Expect.equal (result.ExitCode, result.Output) (2, "") $"{arguments}"
                      Expect.stringContains result.Error arguments.Head "names the option")
          }
          test "describe shows a block's use as one line, who shares weights, and what is not trained" {
              Cnn.inFolder (fun folder ->
                  let file =
                      Cnn.write
                          folder
                          "net.cnn"
                          "shared tower { conv 4 3 relu; flatten }\nnetwork N {\n    input a 8x8x1\n    input b 8x8x1\n    concat { from a; tower } { from b; tower }\n    dense 2 frozen\n}\n"

                  let table = (Cnn.run folder [ "describe"; file ]).Output
                  Expect.stringContains table "those of tower/conv1" "shared"
                  Expect.stringContains table "tower/flatten1, tower@2/flatten1" "inputs"
                  Expect.stringContains table "(40 trainable, 578 not trained)" "frozen"
                  let folded = Cnn.run folder [ "describe"; file; "--json"; "--depth"; "1" ]
                  let network = JsonNode.Parse folded.Output
                  let layers = network["layers"].AsArray()
                  let names = [ for layer in layers -> string layer["name"] ]
                  Expect.equal names [ "tower"; "tower@2"; "concat1"; "dense1" ] "lines"
                  Expect.equal [ for layer in layers -> int layer["parameters"] ] [ 40; 0; 0; 578 ] "parameters"
                  let second = layers[1]
                  Expect.equal (string second["weights_of"]) "tower" "whose weights")
          }
          test "check goes on behind a file that cannot be read, and behind a part that is not there" {
              Cnn.inFolder (fun folder ->
                  let right = Cnn.write folder "right.cnn" (Cnn.lenet small)

                  let wrong =
                      Cnn.write folder "wrong.cnn" ((Cnn.lenet small).Replace("flatten", "flaten"))

                  for json in [ []; [ "--json" ] ] do
                      let files = [ "absent.cnn"; right + ":Other"; wrong ]
                      let result = Cnn.run folder ("check" :: json @ files)
                      Expect.equal result.ExitCode 2 "wrong input"
                      Expect.stringContains result.Error "cnn: absent.cnn cannot be read" "the absent file"
                      Expect.stringContains result.Error "has no network or train part 'Other'" "the absent part"
                      let mistakes = if json.IsEmpty then result.Error else result.Output
                      Expect.stringContains mistakes "flaten" "the file behind them"

                  let result = Cnn.run folder [ "check"; "absent.cnn"; right ]
                  Expect.equal (result.ExitCode, result.Output) (2, "") "one that cannot be read is enough")
          }
          test "check --json prints one object a mistake" {
              Cnn.inFolder (fun folder ->
                  let file =
                      Cnn.write folder "net.cnn" ((Cnn.lenet small).Replace("flatten", "flaten"))

                  let result = Cnn.run folder [ "check"; "--json"; file ]
                  Expect.equal result.ExitCode 2 "wrong"
                  let mistake = result.Events[0]
                  Expect.equal (int mistake["line"], int mistake["column"]) (8, 5) "its place"
                  Expect.equal (string mistake["suggestion"]) "flatten" "the suggestion")
          }
          test "check - reads standard input" {
              Cnn.inFolder (fun folder ->
                  use cnn = Cnn.start [ "check"; "-" ] folder
                  cnn.StandardInput.Write "network A {\n    inptu 4\n}\n"
                  cnn.StandardInput.Close()
                  let result = Cnn.finish (TimeSpan.FromSeconds 20.0) cnn
                  Expect.equal result.ExitCode 2 "wrong"
                  Expect.stringContains result.Error "<stdin>:2:5" "its place")
          }
          test "eval gives the figures that a run ended with and a confusion matrix, and --init starts from its weights" {
              Cnn.inFolder (fun folder ->
                  let file = Cnn.write folder "net.cnn" (Cnn.lenet small)

                  let train =
                      Cnn.run folder [ "train"; file; "--json"; "--out"; "run"; "--workers"; "2" ]

                  Expect.equal train.ExitCode 0 train.Error
                  let result = Cnn.run folder [ "eval"; "run"; "--json" ]
                  Expect.equal result.ExitCode 0 result.Error
                  let figures = JsonNode.Parse result.Output
                  Expect.equal (float figures["val_accuracy"]) (float (train.Field("end", "val_accuracy"))) "accuracy"

                  Expect.floatClose
                      Accuracy.medium
                      (float figures["val_loss"])
                      (float (train.Field("end", "val_loss")))
                      "loss"

                  let counts =
                      [ for row in figures["confusion"].AsArray() do
                            for n in row.AsArray() -> int n ]

                  Expect.equal (counts.Length, List.sum counts) (100, 200) "every sample is in it"

                  let weights = [ "--init"; Path.Combine("run", "checkpoints", "final.safetensors") ]
                  let kept = [ "--set"; "optimizer.lr=0"; "--epochs"; "1" ]

                  let again =
                      Cnn.run folder ([ "train"; file; "--json"; "--out"; "again" ] @ weights @ kept)

                  Expect.equal again.ExitCode 0 again.Error

                  Expect.equal
                      (string (again.Field("end", "weights_sha256")))
                      (string (train.Field("end", "weights_sha256")))
                      "a learning rate of 0 keeps them")
          }
          for signal, workers in [ "INT", "--workers"; "TERM", "--processes" ] do
              test $"SIG{signal} stops the run with a checkpoint and exit code 130" {
                  Cnn.inFolder (fun folder ->
                      let file =
                          Cnn.write folder "net.cnn" ((Cnn.lenet small).Replace("patience=5", "patience=1000000"))

                      use cnn =
                          Cnn.startInterruptible
                              [ "train"; file; "--json"; "--epochs"; "100000"; workers; "2"; "--out"; "run" ]
                              folder

                      untilFirstEpoch cnn
                      use kill = Process.Start("kill", [ $"-{signal}"; string cnn.Id ])
                      kill.WaitForExit()
                      let result = Cnn.finish (TimeSpan.FromSeconds 15.0) cnn
                      Expect.equal result.ExitCode 130 result.Error
                      Expect.equal (string (result.Field("stop", "reason"))) "interrupted" "the reason"

                      Expect.isNonEmpty
                          (Directory.GetFiles(Path.Combine(folder, "run", "checkpoints"), "step-*"))
                          "a checkpoint"

                      Expect.stringContains result.Error "step-" "the message names it")
              }
          test "every command has help" {
              Cnn.inFolder (fun folder ->
                  for command in
                      [ []; [ "train" ]; [ "check" ]; [ "describe" ]; [ "fmt" ]; [ "apply" ]; [ "eval" ]; [ "node" ] ] do
                      let result = Cnn.run folder (command @ [ "--help" ])
                      Expect.equal (result.ExitCode, result.Error) (0, "") $"{command}"
                      Expect.stringContains result.Output "Usage:" $"{command}")
          } ]
