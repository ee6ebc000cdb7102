/// The examples learn what they are there to learn.
module CnnCluster.Tests.ExamplesTests

open System
open Expecto
open CnnCluster.Tests.Cli

/// Two images through one tower: are they the same digit?
let private siamese =
    """
shared tower {
    conv 8 5x5 relu
    maxpool 2x2
    conv 16 5x5 relu
    maxpool 2x2
    flatten
    dense 32 tanh
}

network Siamese {
    input left 28x28x1
    input right 28x28x1
    multiply { from left; tower } { from right; tower }
    dense 1
}

train Siamese {
    data      digit-pairs
    loss      binary-cross-entropy
    optimizer adam lr=2e-3
    batch     64
    epochs    4
}
"""

/// Trains an example for a few epochs and gives the accuracy it reached.
let private accuracy name arguments =
    Cnn.inFolder (fun folder ->
        let example = Repository.file $"examples/{name}.cnn"

        use cnn =
            Cnn.start ([ "train"; example; "--json"; "--out"; "run"; "--threads"; "1" ] @ arguments) folder

        let result = Cnn.finish (TimeSpan.FromMinutes 5.0) cnn
        Expect.equal result.ExitCode 0 result.Error
        float (result.Field("end", "val_accuracy")))

let private onMnist name epochs least =
    match Repository.dataSets with
    | None -> printfn $"not run: the files of mnist are not at hand (set CNN_DATA)"
    | Some folder ->
        let reached = accuracy name [ "--data"; folder; "--epochs"; string epochs ]
        printfn $"{name}: {reached:P2} after {epochs} epochs"
        Expect.isGreaterThan reached least $"validation accuracy after {epochs} epochs"

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Examples (long)"
        [ test "LeNet-5 passes 97 % on the digits" {
              Expect.isGreaterThan (accuracy "lenet5" [ "--epochs"; "4" ]) 0.97 "max-pooling and ReLU"
          }
          test "LeNet-5 with tanh passes 97 % on the digits, over two processes" {
              let reached = accuracy "lenet5-tanh" [ "--epochs"; "6"; "--processes"; "2" ]
              Expect.isGreaterThan reached 0.97 "average pooling and tanh"
          }
          test "a Siamese pair of towers tells same digits from others, over two processes" {
              Cnn.inFolder (fun folder ->
                  let script = Cnn.write folder "siamese.cnn" siamese

                  use cnn =
                      Cnn.start
                          [ "train"; script; "--json"; "--out"; "run"; "--threads"; "1"; "--processes"; "2" ]
                          folder

                  let result = Cnn.finish (TimeSpan.FromMinutes 3.0) cnn
                  Expect.equal result.ExitCode 0 result.Error
                  let reached = float (result.Field("end", "val_accuracy"))
                  printfn $"Siamese: {reached:P2} after 4 epochs"
                  Expect.isGreaterThan reached 0.9 "validation accuracy")
          }
          test "MNIST with SGD passes 96 % in two epochs" { onMnist "lenet5-mnist" 2 0.96 }
          test "MNIST with Adam passes 98 % in two epochs" { onMnist "lenet5-mnist-adam" 2 0.98 } ]
