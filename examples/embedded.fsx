// LeNet-5 in F#: builds the script, checks it, prints it and describes its network. In a checkout, after `./cnn`:
//     dotnet fsi examples/embedded.fsx
#r "../Cli/bin/Release/net10.0/CnnCluster.Kernels.dll"
#r "../Cli/bin/Release/net10.0/TorchSharp.dll"
#r "../Cli/bin/Release/net10.0/FParsec.dll"
#r "../Cli/bin/Release/net10.0/FParsecCS.dll"
#r "../Cli/bin/Release/net10.0/CnnCluster.Dsl.dll"

open CnnCluster.Dsl
open CnnCluster.Dsl.Embedded

/// A convolution and its pooling, as F# shortens what would be said twice.
let stage filters padding =
    [ conv (filters, "5x5", "pad" => padding, relu); maxpool "2x2" ]

let lenet =
    script [
        network "LeNet5" [
            input "28x28x1"
            yield! stage 6 "same"
            yield! stage 16 "valid"
            flatten ()
            for units in [ 120; 84 ] do
                dense (units, relu)
            dense 10
        ]
    ]

let source = Printer.source "LeNet5" lenet
let checkedNetwork = Script.Network(source, null, [], Catalogues.LayersOnly)

match Option.ofObj checkedNetwork.Value with
| None ->
    eprintfn "%s" checkedNetwork.Text
    exit 2
| Some plan ->
    let description = Description.ofPlan plan
    printfn "%s" source.Text

    for layer in description.Layers do
        printfn "%-10s %-8s %6d parameters" layer.Name layer.OutputText layer.Parameters

    printfn "%d parameters" description.Parameters
