// LeNet-5 in F#: builds the script, checks it, prints it and describes its network. In a checkout, after `./cnn`:
//     dotnet fsi examples/embedded.fsx
#r "../Cli/bin/Release/net10.0/FParsecCS.dll"
#r "../Cli/bin/Release/net10.0/FParsec.dll"
#r "../Cli/bin/Release/net10.0/TorchSharp.dll"
#r "../Cli/bin/Release/net10.0/CnnCluster.Kernels.dll"
#r "../Cli/bin/Release/net10.0/CnnCluster.Dsl.dll"
#r "../Cli/bin/Release/net10.0/CnnCluster.Trainer.Actors.dll"

open CnnCluster.Dsl
open CnnCluster.Dsl.Embedded
open CnnCluster.Trainer.Training

/// A convolution and its pooling: F# itself shortens what would be said twice.
let stage filters padding = [
    conv (filters, "5x5", "pad" => padding, relu)
    maxpool "2x2"
]

let lenet = script [
    network "LeNet5" [
        input "28x28x1"
        yield! stage 6 "same"
        yield! stage 16 "valid"
        flatten ()
        for units in [ 120; 84 ] do
            dense (units, relu)
        dense 10
    ]
    train "LeNet5" [
        data "digits"
        loss "cross-entropy"
        optimizer ("sgd", "lr" => 0.05, "momentum" => 0.9, "nesterov")
        batch 64
    ]
]

let source = Printer.source "LeNet5" lenet
let mistakes = Script.Check(source, TrainingCatalogues.All)

if mistakes.HasErrors then
    eprintfn "%s" mistakes.Text
    exit 2

printfn "%s" source.Text

match Option.ofObj (Script.Network(source, "LeNet5", [], TrainingCatalogues.All).Value) with
| None -> exit 2
| Some plan ->
    let description = Description.ofPlan plan

    for layer in description.Layers do
        printfn "%-10s %-8s %6d parameters" layer.Name layer.OutputText layer.Parameters

    printfn "%d parameters" description.Parameters
