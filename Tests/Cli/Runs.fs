/// A run of `cnn train` whose events are read while it trains, and to whose processes things are done.
module CnnCluster.Tests.Cli.Runs

open System
open System.Collections.Concurrent
open System.Collections.Generic
open System.Diagnostics
open System.IO
open System.Text.Json.Nodes
open System.Threading

let settings epochs =
    $"    data digits train=640 test=64\n    optimizer sgd lr=0.05\n    batch 32\n    epochs {epochs}\n    early-stop patience=1000000\n    seed 7"

let endless = Cnn.lenet (settings 1_000_000)

let patience = TimeSpan.FromSeconds 60.0

/// The lines that a process writes, taken as they come: a full pipe would stop it, and what it said is there at any time.
type Lines(reader: StreamReader) =
    let said = List<string>()
    let coming = new BlockingCollection<string>()

    let rec read () =
        match reader.ReadLine() with
        | null -> coming.CompleteAdding()
        | line ->
            lock said (fun () -> said.Add line)
            coming.Add line
            read ()

    let thread = Thread(read, IsBackground = true, Name = "lines of a process")
    do thread.Start()

    /// The next line, or nothing: `IsOver` tells whether there is none any more.
    member _.Next(within: TimeSpan) : string option =
        let mutable line = ""
        if coming.TryTake(&line, within) then Some line else None

    member _.IsOver = coming.IsCompleted

    member _.Last count =
        lock said (fun () -> [ for i in max 0 (said.Count - count) .. said.Count - 1 -> said[i] ])

    /// All of it, when the process has closed its end.
    member _.All() =
        thread.Join(TimeSpan.FromSeconds 5.0) |> ignore
        lock said (fun () -> String.concat "\n" said)

let workers (event: JsonNode) =
    [ for worker in event["workers"].AsArray() -> int worker["pid"] ]

let signal name (pid: int) =
    use kill = Process.Start("kill", [ $"-{name}"; string pid ])
    kill.WaitForExit()

/// A run whose events are read while it trains. Its process is not `cnn` itself where that is started through another program.
type Run(cnn: Process, folder: string, ?program: unit -> int) =
    let program = defaultArg program (fun () -> cnn.Id)
    let events, errors = Lines cnn.StandardOutput, Lines cnn.StandardError
    let mutable members = []

    let shown = String.concat "\n  "

    let fail (what: string) =
        cnn.Kill true
        failwith $"{what}\nlast events:\n  {shown (events.Last 20)}\nstandard error:\n  {shown (errors.Last 200)}"

    let note (event: JsonNode) =
        match string event["event"] with
        | "start" -> members <- workers event
        | "regroup" ->
            if int event["lost_steps"] <> 0 then
                fail $"committed steps were lost: {event}"

            members <- workers event
        | _ -> ()

    member _.Folder = folder

    /// What the process has written to standard error by now.
    member _.Errors = shown (errors.Last 200)

    /// The home's process.
    member _.Id = program ()

    /// The processes of the generation that was last heard of, in the order of their ranks.
    member _.Members: int list = members

    /// The first event that is looked for; the run is killed if it does not come in time, whatever else does.
    member _.First(what: string, within: TimeSpan, wanted: JsonNode -> bool) =
        let clock = Stopwatch.StartNew()

        let rec next () =
            match events.Next(max TimeSpan.Zero (within - clock.Elapsed)) with
            | Some line ->
                let event = JsonNode.Parse line
                note event
                if wanted event then event else next ()
            | None when events.IsOver -> fail $"the run ended before {what}"
            | None -> fail $"not within {within}: {what}"

        next ()

    /// The next event of a name.
    member run.Next(name: string, ?that: JsonNode -> bool) =
        let that = defaultArg that (fun _ -> true)
        run.First($"'{name}'", patience, (fun event -> string event["event"] = name && that event))

    /// Waits until the members are as they must be, through as many generations as it takes: on a busy machine one that lives
    /// may be given up for its silence, and comes back.
    member run.Until(what: string, so: int list -> bool) =
        if not (so members) then
            run.First(what, patience, (fun _ -> so members)) |> ignore

    /// Waits for a line of standard error that has a text.
    member _.Told(text: string, within: TimeSpan) =
        let clock = Stopwatch.StartNew()

        let rec next () =
            match errors.Next(max TimeSpan.Zero (within - clock.Elapsed)) with
            | Some line when line.Contains text -> ()
            | Some _ -> next ()
            | None when errors.IsOver -> fail $"the process ended before it said '{text}'"
            | None -> fail $"not within {within}: '{text}' on standard error"

        next ()

    member run.Signal name = signal name run.Id

    /// Asks the run to stop, and waits until it has.
    member run.Interrupt() =
        run.Signal "INT"
        run.End()

    /// Waits until the run has ended.
    member _.End() =
        if not (cnn.WaitForExit patience) then
            fail $"the run was still there after {patience}"

        cnn.ExitCode, errors.All()

let running script (arguments: string list) act =
    Cnn.inFolder (fun folder ->
        let file = Cnn.write folder "net.cnn" script

        use cnn =
            Cnn.startInterruptible ([ "train"; file; "--json"; "--threads"; "1"; "--out"; "run" ] @ arguments) folder

        try
            act (Run(cnn, folder))
        finally
            if not cnn.HasExited then cnn.Kill true)

let checkpoints folder =
    Directory.GetFiles(Path.Combine(folder, "run", "checkpoints"), "step-*.safetensors")

let regrouped (event: JsonNode) =
    int event["generation"], int event["world"], int event["lost_steps"]
