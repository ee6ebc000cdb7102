/// The examples learn what they are there to learn.
module CnnCluster.Tests.ExamplesTests

open System
open Expecto
open CnnCluster.Tests.Cli
open CnnCluster.Tests.Comparisons

/// Trains an example for a few epochs and gives what it reached.
let private reached metric name arguments =
    Cnn.inFolder (fun folder ->
        let example = Repository.file $"examples/{name}.cnn"

        use cnn =
            Cnn.start ([ "train"; example; "--json"; "--out"; "run"; "--threads"; "1" ] @ arguments) folder

        let result = Cnn.finish (TimeSpan.FromMinutes 5.0) cnn
        Expect.equal result.ExitCode 0 result.Error
        float (result.Field("end", metric)))

let private accuracy = reached "val_accuracy"

let private onMnist name epochs least =
    match Repository.dataSets with
    | None -> printfn $"not run: the files of mnist are not at hand (set CNN_DATA)"
    | Some folder ->
        let reached = accuracy name [ "--data"; folder; "--epochs"; string epochs ]
        printfn $"{name}: {reached:P2} after {epochs} epochs"
        Expect.isGreaterThan reached least $"validation accuracy after {epochs} epochs"

[<Tests>]
let tests =
    testList
        "Examples (long)"
        [ test "LeNet-5 with tanh passes 97 % on the digits, over two processes" {
              let reached = accuracy "lenet5-tanh" [ "--epochs"; "6"; "--processes"; "2" ]
              Expect.isGreaterThan reached 0.97 "average pooling and tanh"
          }
          test "a Siamese pair of towers tells same digits from others, over two processes" {
              let accuracy =
                  reached "val_accuracy" "siamese" [ "--epochs"; "4"; "--processes"; "2" ]

              Expect.isGreaterThan accuracy 0.9 "binary accuracy"
          }
          test "two inputs with two outputs learn what both digits add up to" {
              let accuracy = reached "val_accuracy_sum" "two-in-two-out" [ "--epochs"; "4" ]
              Expect.isGreaterThan accuracy 0.8 "19 classes"
          }
          test "the autoencoder's error falls to half of what the mean of all images has" {
              // Measured: 0.042 on the validation images for the mean of the training images.
              let error = reached "val_loss" "autoencoder" [ "--epochs"; "4" ]
              Expect.isLessThan error 0.021 "mean squared error"
          }
          test "MNIST with Adam passes 98 % in two epochs" { onMnist "lenet5-mnist-adam" 2 0.98 } ]
