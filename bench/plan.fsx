/// Times how long a script takes to become a plan: reading, checking and resolving ResNet-152, in milliseconds.
///
/// Usage, behind a build (`dotnet build Cli -c Release`): dotnet fsi --optimize+ bench/plan.fsx [RUNS]
#r "../Cli/bin/Release/net10.0/TorchSharp.dll"
#r "../Cli/bin/Release/net10.0/CnnCluster.Kernels.dll"
#r "../Cli/bin/Release/net10.0/CnnCluster.Dsl.dll"

open System.Diagnostics
open System.IO
open CnnCluster.Dsl

let warmUp = 20

let runs =
    match fsi.CommandLineArgs with
    | [| _; count |] -> int count
    | _ -> 50

/// ResNet-50's script with ResNet-152's counts.
let source: Source =
    let path = Path.Combine(__SOURCE_DIRECTORY__, "../examples/resnet50.cnn")

    let text =
        (File.ReadAllText path).Replace("64 3 1; 128 4 2; 256 6 2; 512 3 2", "64 3 1; 128 8 2; 256 36 2; 512 3 2")

    { File = "resnet152.cnn"; Text = text }

let plan () =
    let result = Script.Network(source, null, [], Catalogues.LayersOnly)
    if result.HasErrors then failwith result.Text else nonNull result.Value

let milliseconds () =
    let started = Stopwatch.GetTimestamp()
    plan () |> ignore
    Stopwatch.GetElapsedTime(started).TotalMilliseconds

let first = milliseconds ()

for _ in 2..warmUp do
    plan () |> ignore

let processor () =
    Process.GetCurrentProcess().TotalProcessorTime.TotalMilliseconds

let before = processor ()
let times = Array.sort [| for _ in 1..runs -> milliseconds () |]
let cost = (processor () - before) / float runs
let median = (times[(runs - 1) / 2] + times[runs / 2]) / 2.0
let network = plan ()

printfn $"{network.Nodes.Length} layers, {network.Parameters:N0} parameters"
printfn $"{runs} runs: median {median:F1} ms ({times[0]:F1} to {times[runs - 1]:F1}); the first of all {first:F1} ms"
printfn $"of the processor's time, on a busy machine too: {cost:F1} ms a run"
