module CnnCluster.Tests.Dsl.CheckerTests

open System
open System.IO
open Expecto
open CnnCluster.Dsl
open CnnCluster.Tests
open CnnCluster.Tests.Dsl.Scripts

let private folder = Repository.file "Tests/Dsl/BadScripts"

/// Set to 1, makes today's messages the expected ones.
let private accepting = Environment.GetEnvironmentVariable "CNN_ACCEPT" = "1"

let private complaints path =
    let source: Source =
        { File = Path.GetFileName(path: string)
          Text = File.ReadAllText path }

    let result = Script.Check(source, catalogues)
    result.Text + "\n", isNull result.Value

let private isExpected path =
    let found, refused = complaints path
    let expectedPath = Path.ChangeExtension(path, ".expected")

    if accepting then File.WriteAllText(expectedPath, found)

    Expect.isTrue refused $"the script was accepted: {found}"
    Expect.equal found (File.ReadAllText expectedPath) "the messages"

let private scripts = Directory.GetFiles(folder, "*.cnn") |> Array.sort

[<Tests>]
let badScripts =
    testList
        "Dsl.Checker bad scripts"
        [ for path in scripts do
              test $"{Path.GetFileName path} is refused in the expected words" { isExpected path } ]

let private messages text =
    Script.Check(source text, catalogues).Diagnostics
    |> Seq.map _.Message
    |> List.ofSeq

let private network body = "network N {\n" + body + "\n}"

let private accepts body =
    Expect.isEmpty (messages (network body)) body

let private shapeAfter body =
    Shape.text (plan (network body)).OutputShape

[<Tests>]
let tests =
    testList
        "Dsl.Checker"
        [ for path in Directory.GetFiles(Repository.file "examples", "*.cnn") do
              test $"examples/{Path.GetFileName path} has nothing to complain of but its data set" {
                  let text =
                      File.ReadAllText(path).Replace("digit-pairs", "pairs").Replace("digits", "mnist")

                  Expect.isEmpty (messages text) "messages"
              }
          test "an activation alone on a line is a layer, with its numbers too" {
              accepts "input 8; relu; leakyrelu(0.1); leakyrelu 0.2; elu"
          }
          test "if and repeat choose and multiply layers" {
              Expect.equal
                  (shapeAfter
                      "input 16x16x2\nlet n = 4\nrepeat i in 1..3 { conv n*i 3x3 }\nif n > 3 { maxpool } else { flatten }")
                  "5x5x12"
                  "shape"

              Expect.equal
                  (shapeAfter "input 8\nrepeat a, b in [4 1; 2 0] { dense a; if b == 1 { relu } }\nrepeat 0 { dense 9 }")
                  "2"
                  "shape"
          }
          test "names hold values, and 'from' goes back to one" {
              Expect.equal
                  (shapeAfter "input 8 as x\ndense 4\ndense x.channels*2 as y\nfrom x\ndense y.channels-1")
                  "15"
                  "shape"
          }
          test "defaults fill in what a layer leaves open, and no more" {
              let plan =
                  plan (
                      network
                          "defaults { conv bias=no pad=same }\ninput 8x8x1\nconv 4 3x3\nconv 4 3x3 bias=yes pad=valid"
                  )

              Expect.equal (plan.Nodes |> List.map (fun n -> n.Layer.Weights.Length)) [ 1; 2 ] "weights"
              Expect.equal (Shape.text plan.OutputShape) "6x6x4" "shape"
          }
          test "one mistake gives one error, though much depends on it" {
              for body in
                  [ "input 28x28x1\nconv fitlers 5x5\nflatten\ndense 10"
                    "input 28x28x1\nlet n = m\nconv n 5x5\nconv n*2 n"
                    "input 28x28x1\nconv 6 5y5 as a\nflatten\ndense a.channels"
                    "input 28x28x1\nconv 6 99x99 as a\ndense 10\nconv here.channels 3x3\nfrom a\nmaxpool 9x9"
                    "conv 6 3x3\nrelu\nflatten\ndense 10"
                    "input 28x28x1\nconv size(3) 5x5\nrelu"
                    "input 28x28x1\nrepeat 3 { conv 6 3x3 rleu }" ] do
                  Expect.hasLength (messages (network body)) 1 $"{messages (network body)} for {body}"
          }
          test "one mistake in a train part gives one error" {
              for text in
                  [ trainPart [ "data mnits"; "loss cross-entropy"; "optimizer sgd lr=0.01" ]
                    trainPart
                        [ "data mnist"
                          "loss cross-entrpy"
                          "optimizer sgd lr=0.01"
                          "early-stop monitor=val_accuracy" ]
                    trainPart [ "data mnist"; "loss cross-entropy"; "optimizer sgd lr = 0.01" ]
                    trainPart [ "data mnist"; "loss msee target=difference"; "metric mae"; "optimizer sgd" ]
                    trainPart [ "data mnist"; "loss mse target=input"; "metric mae"; "optimizer sgd" ]
                    trainPart
                        [ "data mnist"
                          "loss mse"
                          "metric acuracy"
                          "optimizer sgd lr=0.01"
                          "early-stop monitor=val_accuracy" ]
                    trainPart([ "data mnist"; "loss cross-entropy"; "optimizer sgd lr=0.01" ])
                        .Replace("network", "netwrok") ] do
                  Expect.hasLength (messages text) 1 $"{messages text} for {text}"
          }
          test "accumulation with batch normalisation is worth a warning, not an error" {
              let text =
                  plain.Replace("flatten\n", "flatten\n batchnorm\n").Replace("batch 32", "batch 32; accumulate 2")

              let result = Script.Check(source text, catalogues)
              Expect.isFalse result.HasErrors result.Text
              Expect.stringContains result.Text "warning: 'batchnorm' takes each of the accumulated batches" "text"
          }
          test "accumulation with a frozen batch normalisation is right: it does not look at the batch" {
              let text =
                  plain
                      .Replace("flatten\n", "flatten\n batchnorm frozen\n")
                      .Replace("batch 32", "batch 32; accumulate 2")

              Expect.equal (Script.Check(source text, catalogues)).Text "" "messages"
          }
          test "open sides are filled in from the data set" {
              let result = training (plain.Replace("28x28x1", "?x?x1")) []
              Expect.equal (Shape.text result.Value.Plan.Network.Inputs.Head.Shape) "28x28x1" "shape"
          } ]
