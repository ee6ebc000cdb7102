module CnnCluster.Tests.Main

open System
open Expecto
open Expecto.Impl
open CnnCluster.Tests.Cli.Hosts
open CnnCluster.Tests.Suites

let private say (text: string) =
    async { Console.Out.WriteLine(text.TrimEnd()) }

/// Expecto's own printer writes escape sequences even into files; this one writes plain lines: of failures, and in the long
/// suite each test's name as it begins, so that one which hangs has said its own.
let private printer suite =
    { TestPrinters.silent with
        beforeEach = fun name _ -> if suite = Long then say $"begins: {name}" else async.Zero()
        ignored = fun name reason -> say $"ignored, which counts as failed: {name}: {reason}"
        failed = fun name message _ -> say $"failed: {name}\n{message}"
        exn = fun name error _ -> say $"failed: {name}\n{error}" }

/// The closing line, and the exit code that goes with it. Nothing may be skipped: an ignored test, one that is
/// marked so or left out by a focused one, counts as failed.
let private close (summary: TestRunSummary) =
    let passed = summary.passed.Length
    let failed = summary.results.Length - passed

    if summary.results.IsEmpty then
        Console.Out.WriteLine "no test was run: no name matches"

    Console.Out.WriteLine $"{passed} passed, {failed} failed"
    if summary.successful && failed = 0 && passed > 0 then 0 else 1

/// The names alone: Expecto lists them as a message of its log, with the time and in colours.
let private list tests =
    for test in Test.toTestCodeList tests do
        Console.Out.WriteLine(String.Join('.', test.name))

    0

/// Many tests of the fast suite wait for processes that they started, and leave a core to others meanwhile. Those of the long
/// one train without an end while something happens to them.
let private atOnce suite =
    if suite = Fast then
        Environment.ProcessorCount + 2
    else
        Environment.ProcessorCount

let private execute suite arguments tests =
    for name in repeatedNames tests do
        Console.Out.WriteLine $"no test is run: several are called '{name}'"

    let results = ref None
    let keep = SummaryHandler(fun summary -> results.Value <- Some summary)
    let plain = if Console.IsOutputRedirected then [ Colours 0; No_Spinner ] else []

    let settings =
        Printer(printer suite)
        :: Append_Summary_Handler keep
        :: Parallel_Workers(atOnce suite)
        :: plain

    let code = runTestsWithCLIArgs settings arguments tests
    results.Value |> Option.map close |> Option.defaultValue code

/// Runs with Expecto's own arguments, some of which (`--list-tests`, `--version`) run nothing and so report nothing.
let private run suite arguments tests =
    match ExpectoConfig.fillFromArgs defaultConfig arguments with
    | ArgsList config -> list (config.filter tests)
    | _ -> execute suite arguments tests

/// `--chaos N` and `--seed S` are the long suite's test under real faults alone, with so many of them.
let rec private withoutChaos arguments =
    match arguments with
    | "--chaos" :: count :: rest ->
        Environment.SetEnvironmentVariable("CNN_CHAOS", count)
        "--long" :: "--filter-test-list" :: "chaos" :: withoutChaos rest
    | "--seed" :: seed :: rest when not (isNull (Environment.GetEnvironmentVariable "CNN_CHAOS")) ->
        Environment.SetEnvironmentVariable("CNN_SEED", seed)
        withoutChaos rest
    | argument :: rest -> argument :: withoutChaos rest
    | [] -> []

let private test argv =
    CnnCluster.Kernels.Native.TorchLibrary.EnsureLoaded()

    let long, arguments =
        Array.partition ((=) "--long") (Array.ofList (withoutChaos (List.ofArray argv)))

    let suite = if Array.isEmpty long then Fast else Long

    testFromThisAssembly ()
    |> Option.bind (only suite)
    |> Option.defaultValue (testList "" [])
    |> run suite arguments

/// `--long` runs the long suite instead of the fast one; `--switch HOSTS` is what some of its tests start.
[<EntryPoint>]
let main argv =
    match argv with
    | [| "--switch"; hosts |] -> Switch.serve (int hosts)
    | _ -> test argv
