/// The user's mistakes: a readable error with its place, and exit code 2.
module CnnCluster.Tests.Cli.BadInputTests

open System
open System.IO
open Expecto
open CnnCluster.Tests.Cli
open CnnCluster.Tests.Trainer.Data.IdxReaderTests

/// What is changed in a right script, and what the error must hold, its line and column first.
let private badScripts =
    [ "a misspelt layer",
      "maxpool 2x2\n    conv    16",
      "maxpol 2x2\n    conv    16",
      [ ":5:5: error"; "did you mean 'maxpool'" ]
      "a misspelt setting", "pad=same", "pda=same", [ ":4:19: error"; "did you mean 'pad'" ]
      "blanks around an operator", "dense   84", "dense   42 * 2", [ ":10:16: error"; "(a * b)" ]
      "an open brace", "dense   10\n}", "dense   10\n", [ ":2:16: error"; "never closed" ]
      "dense on an image", "    flatten\n", "", [ ":8:5: error"; "flatten" ]
      "a kernel that does not fit", "conv    16 5x5", "conv    16 15x15", [ ":6:16: error"; "does not fit" ]
      "too few units", "dense   10", "dense   9", [ "10 classes" ]
      "a number of the wrong kind", "dense   120", "dense   12.5", [ ":9:13: error"; "whole number" ]
      "no input", "    input   28x28x1\n", "", [ ":3:5: error"; "input" ]
      "settings in parentheses", "sgd lr=0.05", "sgd(0.05)", [ "by name, without parentheses" ]
      "an unknown data set", "data digits", "data digit", [ "did you mean 'digits'" ]
      "a batch of none", "batch 32", "batch 0", [ "at least 1" ]
      "no loss", "    loss cross-entropy\n", "", [ "has no 'loss'" ] ]

let private settings =
    "    data digits train=320 test=100\n    optimizer sgd lr=0.05\n    batch 32\n    epochs 2"

let private six = [| for i in 1..6 -> byte i |]
let private pixels count = Array.create (count * 784) 7uy

/// What is wrong with which of the four files, and what the error must hold.
let private badData =
    let train, labelled = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"

    [ "an empty file", train, [||], "is empty"
      "no IDX file", train, six, "no IDX file"
      "labels in place of images", train, labels 1 [| 3uy |], "IDX labels"
      "images in place of labels", labelled, images 1 2 3 six, "IDX images"
      "another image size", train, images 2 14 14 (Array.create 392 1uy), "14x14"
      "images cut off", train, images 9 28 28 (pixels 2), "2 whole images of the 9"
      "bytes left over", train, images 2 28 28 (Array.append (pixels 2) six), "more bytes"
      "a label out of range", labelled, labels 2 [| 3uy; 12uy |], "label 12"
      "more images than labels", train, images 3 28 28 (pixels 3), "3"
      "a broken gzip file", train, Array.append [| 0x1fuy; 0x8buy |] six, "gzip" ]

/// The four files of a small, right MNIST.
let private writeData folder =
    for part in [ "train"; "t10k" ] do
        File.WriteAllBytes(Path.Combine(folder, $"{part}-images-idx3-ubyte"), images 2 28 28 (pixels 2))
        File.WriteAllBytes(Path.Combine(folder, $"{part}-labels-idx1-ubyte"), labels 2 [| 3uy; 4uy |])

let private wrong (result: Cnn.Result) (expected: string list) =
    Expect.equal result.ExitCode 2 $"exit code 2; it said: {result.Error}"

    for part in expected do
        Expect.stringContains result.Error part "the message"

    Expect.isFalse (result.Error.Contains "   at ") $"no stack trace: {result.Error}"

/// What one `cnn check` of all the bad scripts says, file by file.
let private ofBadScripts =
    lazy
        (Cnn.inFolder (fun folder ->
            let files =
                [ for i, (_, right, bad, _) in List.indexed badScripts ->
                      let script = (Cnn.lenet settings).Replace(right, bad)
                      Expect.notEqual script (Cnn.lenet settings) "the script is changed"
                      Path.GetFileName(Cnn.write folder $"{i}-net.cnn" script) ]

            let result = Cnn.run folder ("check" :: files)

            let starts =
                [ for file in files -> result.Error.IndexOf(file, StringComparison.Ordinal) ]
                @ [ result.Error.Length ]

            Expect.isAscending starts $"mistakes in the order of the files: {result.Error}"

            [ for start, next in List.pairwise starts ->
                  { result with
                      Error = result.Error.Substring(start, next - start) } ]))

[<Tests>]
let tests =
    testList
        "Cli.bad input"
        [ test "the script that the others are made from is right" {
              Cnn.inFolder (fun folder ->
                  let result =
                      Cnn.run folder [ "check"; Cnn.write folder "net.cnn" (Cnn.lenet settings) ]

                  Expect.equal (result.ExitCode, result.Output, result.Error) (0, "", "") "silent")
          }
          for i, (name, _, _, expected) in List.indexed badScripts do
              test $"script: {name}" { wrong ofBadScripts.Value[i] ($"{i}-net.cnn" :: expected) }
          for name, file, bytes, expected in badData do
              test $"data: {name}" {
                  Cnn.inFolder (fun folder ->
                      let script =
                          Cnn.write
                              folder
                              "net.cnn"
                              ((Cnn.lenet settings).Replace("digits train=320 test=100", "mnist"))

                      writeData folder
                      let path = Path.Combine(folder, file)
                      File.WriteAllBytes(path, bytes)
                      wrong (Cnn.run folder [ "train"; script; "--data"; folder; "--out"; "run" ]) [ path; expected ]
                      Expect.isFalse (Directory.Exists(Path.Combine(folder, "run"))) "no run was begun")
              }
          test "data that is nowhere: the error says how to get it" {
              Cnn.inFolder (fun folder ->
                  let script =
                      Cnn.write folder "net.cnn" ((Cnn.lenet settings).Replace("digits train=320 test=100", "mnist"))

                  wrong
                      (Cnn.run folder [ "train"; script; "--data"; folder ])
                      [ "train-images-idx3-ubyte"; "CNN_DATA" ])
          }
          for arguments, expected in
              [ [ "train"; "absent.cnn" ], "absent.cnn cannot be read"
                [ "train"; "net.cnn"; "--set"; "batch=x" ], "--set batch=x"
                [ "train"; "net.cnn"; "--set"; "optimizer.momentm=0.9" ], "did you mean 'momentum'"
                [ "train"; "net.cnn"; "--devices"; "gpu" ], "'gpu' is no device"
                [ "train"; "net.cnn"; "--devices"; "cuda:0" ], "cuda:0"
                [ "train"; "net.cnn"; "--workers"; "0" ], "--workers must be at least 1"
                [ "train"; "net.cnn"; "--workers"; "65" ], "--workers must be at most 64; it is 65"
                [ "train"; "net.cnn"; "--processes"; "65" ], "--processes must be at most 64; it is 65"
                [ "train"; "net.cnn"; "--threads"; "1025" ], "--threads must be at most 1024; it is 1025"
                [ "node"; "--join"; "127.0.0.1:1"; "--share"; "0" ], "--share must be at least 1; it is 0"
                [ "node"; "--join"; "127.0.0.1:1"; "--share"; "1001" ], "--share must be at most 1000; it is 1001"
                [ "compare"; "net.cnn"; "--parallel"; "65" ], "--parallel must be at most 64; it is 65"
                [ "train"; "net.cnn"; "--init"; "absent.safetensors" ], "absent.safetensors"
                [ "train"; "net.cnn:Other" ], "no train part 'Other'"
                [ "train"; "net.cnn:Foo" ], "expected LeNet5"
                [ "train"; "net.cnn"; "--set"; "batch=-1" ], "  | batch=-1\n  |       ^^\n"
                [ "train"; "net.cnn"; "--epochs"; "0" ], "--epochs 0: error: 0 is too small"
                [ "train"; "net.cnn"; "--epochs"; "-3" ], "  | --epochs -3\n  |          ^^\n"
                [ "compare"; "net.cnn"; "--epochs"; "0"; "--vary"; "none:" ], "--epochs 0: error: 0 is too small"
                [ "train"; "net.cnn"; "--epoch"; "3" ], "cnn: Unrecognized command or argument '--epoch'"
                [ "trian"; "net.cnn" ], "cnn: there is no command 'trian'; did you mean 'train'?"
                [ "describe"; "net.cnn"; "--input"; "28by28" ], "28by28"
                [ "describe"; "net.cnn"; "--input"; "32x32x1" ], "does not fit"
                [ "check"; "net.cnn:Other" ], "'Other'"
                [ "eval"; "." ], "run" ] do
              let line = String.concat " " arguments

              test $"cnn {line}" {
                  Cnn.inFolder (fun folder ->
                      Cnn.write folder "net.cnn" (Cnn.lenet settings) |> ignore
                      wrong (Cnn.run folder arguments) [ expected ])
              }
          test "a run's folder is never written over" {
              Cnn.inFolder (fun folder ->
                  let file = Cnn.write folder "net.cnn" (Cnn.lenet settings)
                  let precious = Cnn.write folder "precious.txt" "mine"
                  wrong (Cnn.run folder [ "train"; file; "--out"; folder ]) [ folder ]
                  Expect.equal (File.ReadAllText precious) "mine" "untouched")
          } ]
