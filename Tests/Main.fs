module CnnCluster.Tests.Main

open System
open Expecto
open Expecto.Impl
open CnnCluster.Tests.Suites

/// Nothing may be skipped: an ignored test, one that is marked or left out by a focused one, counts as failed.
let private report (summary: TestRunSummary) =
    for test, _ in summary.ignored do
        eprintfn $"""ignored, which counts as failed: {String.concat "." test.name}"""

    printfn $"{summary.passed.Length} passed, {summary.results.Length - summary.passed.Length} failed"

    if summary.results.IsEmpty then
        eprintfn "no test was run: no name matches"

    if summary.successful && summary.ignored.IsEmpty && not summary.results.IsEmpty then
        0
    else
        1

/// Runs with Expecto's own arguments, some of which (`--list-tests`, `--version`) run nothing and so report nothing.
let private run arguments tests =
    let results = ref None
    let plain = if Console.IsOutputRedirected then [ Colours 0; No_Spinner ] else []
    let keep = SummaryHandler(fun summary -> results.Value <- Some summary)
    let code = runTestsWithCLIArgs (Append_Summary_Handler keep :: plain) arguments tests
    results.Value |> Option.map report |> Option.defaultValue code

/// `--long` runs the long suite instead of the fast one.
[<EntryPoint>]
let main argv =
    CnnCluster.Kernels.Native.TorchLibrary.EnsureLoaded()
    let long, arguments = Array.partition ((=) "--long") argv
    let suite = if Array.isEmpty long then Fast else Long

    testFromThisAssembly ()
    |> Option.bind (only suite)
    |> Option.defaultValue (testList "" [])
    |> run arguments
