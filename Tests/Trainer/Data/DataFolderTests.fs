module CnnCluster.Tests.Trainer.Data.DataFolderTests

open System.IO
open Expecto
open CnnCluster.Trainer
open CnnCluster.Trainer.Data
open CnnCluster.Tests.Trainer.Data.IdxReaderTests

let private names =
    [ "train-images-idx3-ubyte"; "train-labels-idx1-ubyte"; "t10k-images-idx3-ubyte"; "t10k-labels-idx1-ubyte" ]

let private fill (folder: string) (names: string list) =
    Directory.CreateDirectory folder |> ignore

    for name in names do
        File.WriteAllBytes(Path.Combine(folder, name), [||])

/// Where MNIST is found when only these variables are set.
let private find given variables =
    let lookUp name =
        variables |> List.tryFind (fst >> (=) name) |> Option.map snd |> Option.toObj

    DataFolder.Find(PublishedSet.Mnist, given, lookUp).TrainImages

let private failure act =
    Expect.throwsC act (function
        | :? UserException as e -> e.Message
        | e -> failtest $"not a user's error: {e}")

[<Tests>]
let tests =
    testList
        "Trainer.Data.DataFolder"
        [ test "the given folder, its child, CNN_DATA and the cache are looked in, in this order" {
              withFolder (fun root ->
                  let place parts =
                      Path.Combine(Array.ofList (root :: parts))

                  let given, variable, cache =
                      place [ "given" ], place [ "variable" ], place [ "cache" ]

                  let variables = [ "CNN_DATA", variable; "XDG_CACHE_HOME", cache ]
                  fill (place [ "cache"; "cnncluster"; "mnist" ]) names
                  Expect.stringStarts (find null variables) cache "only the cache has the files"
                  fill (Path.Combine(variable, "mnist")) names
                  Expect.stringStarts (find null variables) (Path.Combine(variable, "mnist")) "before the cache"
                  fill given names
                  Expect.stringStarts (find given variables) given "the given folder alone")
          }
          for form in [ ".gz"; "" ] do
              for mark in [ "-idx"; ".idx" ] do
                  test $"files are found by the names ending in {mark}?-ubyte{form}" {
                      withFolder (fun folder ->
                          fill folder (names |> List.map (fun name -> name.Replace("-idx", mark) + form))
                          let expected = Path.Combine(folder, $"train-images{mark}3-ubyte{form}")
                          Expect.equal (find folder []) expected "the path")
                  }
          test "a given folder without the files is an error, whatever other places hold" {
              withFolder (fun root ->
                  let given, other = Path.Combine(root, "given"), Path.Combine(root, "other")
                  fill other names
                  fill given (List.tail names)
                  let message = failure (fun () -> find given [ "CNN_DATA", other ] |> ignore)
                  Expect.stringContains message $"{given}: lacks train-images-idx3-ubyte" "what it lacks"
                  Expect.isFalse (message.Contains other) "no other place")
          }
          test "the error lists places, files, the address and both ways to name a folder" {
              withFolder (fun root ->
                  let message =
                      failure (fun () -> find null [ "CNN_DATA", root; "XDG_CACHE_HOME", root ] |> ignore)

                  for part in
                      [ $"{root}: none of the files"
                        Path.Combine(root, "cnncluster", "mnist") + ": no such folder"
                        "t10k-labels-idx1-ubyte.gz"
                        "https://ossci-datasets.s3.amazonaws.com/mnist/"
                        "--data DIR"
                        "CNN_DATA=DIR" ] do
                      Expect.stringContains message part "a part of the message")
          }
          test "a folder named after another data set does not pass for this one" {
              withFolder (fun root ->
                  let fashion = Path.Combine(root, "fashion-mnist")
                  fill fashion names
                  let message = failure (fun () -> find fashion [] |> ignore)
                  Expect.stringContains message "fashion-mnist/mnist" "only its child is looked in")
          } ]
