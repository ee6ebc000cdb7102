/// A run of `cnn train` whose events are read while it trains, and to whose processes things are done.
module CnnCluster.Tests.Cli.Runs

open System
open System.Diagnostics
open System.IO
open System.Text.Json.Nodes

let settings epochs =
    $"    data digits train=640 test=64\n    optimizer sgd lr=0.05\n    batch 32\n    epochs {epochs}\n    early-stop patience=1000000\n    seed 7"

let endless = Cnn.lenet (settings 1_000_000)

let patience = TimeSpan.FromSeconds 60.0

/// A run whose events are read while it trains.
type Run(cnn: Process, folder: string) =
    let errors = cnn.StandardError.ReadToEndAsync()

    member _.Folder = folder

    /// The next event of a name; the run is killed if none comes in time.
    member run.Next(name: string, ?that: JsonNode -> bool) =
        let that = defaultArg that (fun _ -> true)

        let rec next () =
            let line = cnn.StandardOutput.ReadLineAsync()

            if not (line.Wait patience) then
                cnn.Kill true
                failwith $"no '{name}' within {patience}"

            match line.Result with
            | null -> failwith $"the run ended before '{name}':\n{errors.Result}"
            | text ->
                let event = JsonNode.Parse text

                if string event["event"] = name && that event then event else next ()

        next ()

    member _.Signal name =
        use kill = Process.Start("kill", [ $"-{name}"; string cnn.Id ])
        kill.WaitForExit()

    /// Asks the run to stop, and waits until it has.
    member run.Interrupt() =
        run.Signal "INT"
        run.End()

    /// Waits until the run has ended.
    member _.End() =
        if not (cnn.WaitForExit patience) then
            cnn.Kill true
            failwith $"the run was still there after {patience}"

        cnn.ExitCode, errors.Result

let running script (arguments: string list) act =
    Cnn.inFolder (fun folder ->
        let file = Cnn.write folder "net.cnn" script

        use cnn =
            Cnn.startInterruptible ([ "train"; file; "--json"; "--threads"; "1"; "--out"; "run" ] @ arguments) folder

        try
            act (Run(cnn, folder))
        finally
            if not cnn.HasExited then cnn.Kill true)

let workers (event: JsonNode) =
    [ for worker in event["workers"].AsArray() -> int worker["pid"] ]

let signal name (pid: int) =
    use kill = Process.Start("kill", [ $"-{name}"; string pid ])
    kill.WaitForExit()

let checkpoints folder =
    Directory.GetFiles(Path.Combine(folder, "run", "checkpoints"), "step-*.safetensors")

let regrouped (event: JsonNode) =
    int event["generation"], int event["world"], int event["lost_steps"]
