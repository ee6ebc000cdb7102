/// What Ctrl-C does where there is no run yet: exit code 130 and one line, at once, with nothing left behind.
module CnnCluster.Tests.Cli.InterruptionTests

open System
open System.Diagnostics
open System.IO
open System.Text.Json.Nodes
open System.Threading.Tasks
open Expecto
open CnnCluster.Tests

let private patience = TimeSpan.FromSeconds 30.0

let private interrupt (cnn: Process) =
    use kill = Process.Start("kill", [ "-INT"; string cnn.Id ])
    kill.WaitForExit()
    Cnn.finish patience cnn

let private lenet = Repository.file "examples/lenet5.cnn"

/// Interrupts a command while it reads from a pipe that has a name: a pipe opens when both ends are there, so the command
/// is at its work then, and nothing ever comes.
let private interruptedAt (pipe: string) besides arguments =
    Cnn.inFolder (fun folder ->
        let path = Path.Combine(folder, pipe)
        Directory.CreateDirectory(Path.GetDirectoryName path) |> ignore

        for file: string in besides do
            File.WriteAllText(Path.Combine(folder, file), "")

        use made = Process.Start("mkfifo", [ path ])
        made.WaitForExit()

        let before =
            Directory.GetFileSystemEntries(folder, "*", SearchOption.AllDirectories)

        use cnn = Cnn.startInterruptible arguments folder

        let opening =
            Task.Run(fun () -> new FileStream(path, FileMode.Open, FileAccess.Write))

        if not (opening.Wait patience) then
            cnn.Kill true
            failtest $"{arguments} does not read {pipe}: {cnn.StandardError.ReadToEnd()}"

        use _ = opening.Result
        let result = interrupt cnn
        Expect.equal (result.ExitCode, result.Output, result.Error) (130, "", "cnn: interrupted\n") "a line"

        Expect.equal
            (Directory.GetFileSystemEntries(folder, "*", SearchOption.AllDirectories))
            before
            "nothing is left behind")

/// Whether a process whose command line has these words is there.
let private isThere (words: string list) =
    Directory.GetDirectories "/proc"
    |> Array.exists (fun folder ->
        try
            let line = File.ReadAllText(Path.Combine(folder, "cmdline"))
            words |> List.forall line.Contains
        with
        | :? IOException
        | :? UnauthorizedAccessException -> false)

let private small = [ "--set"; "data=digits train=64 test=32" ]

/// Interrupts a run whose worker is there or is coming, and that waits for another one; no process stays.
let private interruptedWaiting folder arguments line =
    use cnn =
        Cnn.startInterruptible
            ([ "train"; "--json"; "--processes"; "1"; "--min-workers"; "2"; "--listen"; "127.0.0.1:0" ]
             @ arguments)
            folder

    let rec address () =
        match cnn.StandardOutput.ReadLine() with
        | null -> failtest (cnn.StandardError.ReadToEnd())
        | line when string (JsonNode.Parse line).["event"] = "listen" -> string (JsonNode.Parse line).["address"]
        | _ -> address ()

    let words = [ "node"; address () ]
    let result = interrupt cnn
    Expect.equal (result.ExitCode, result.Error.Trim()) (130, line) "a line"
    let clock = Stopwatch.StartNew()

    while isThere words && clock.Elapsed < patience do
        Threading.Thread.Yield() |> ignore

    Expect.isFalse (isThere words) "no worker process"

[<Tests>]
let tests =
    testList
        "Cli.interruption"
        [ if OperatingSystem.IsLinux() then
              for arguments in
                  [ [ "train"; "in.cnn" ]
                    [ "compare"; "in.cnn"; "--vary"; "none:" ]
                    [ "describe"; "in.cnn" ]
                    [ "check"; "in.cnn" ]
                    [ "apply"; lenet; "in.cnn" ] ] do
                  test $"{arguments.Head}: Ctrl-C while a file is read ends it with 130 and a line" {
                      interruptedAt "in.cnn" [] arguments
                  }

              for arguments in
                  [ [ "train"; lenet; "--set"; "data=mnist"; "--data"; "mnist" ]
                    [ "compare"; lenet; "--set"; "data=mnist"; "--data"; "mnist"; "--vary"; "none:" ] ] do
                  test $"{arguments.Head}: Ctrl-C while data are read ends it with 130 and a line" {
                      interruptedAt
                          "mnist/train-images-idx3-ubyte"
                          [ "mnist/train-labels-idx1-ubyte"
                            "mnist/t10k-images-idx3-ubyte"
                            "mnist/t10k-labels-idx1-ubyte" ]
                          arguments
                  } ]

[<Tests>]
let longTests =
    testList
        "Cli.interruption (long)"
        [ if OperatingSystem.IsLinux() then
              test "train: Ctrl-C while workers start ends it with 130, a line, no folder and no process" {
                  Cnn.inFolder (fun folder ->
                      interruptedWaiting
                          folder
                          ([ lenet; "--out"; "run" ] @ small)
                          "cnn: interrupted before the first step: there is no run to go on with"

                      Expect.isEmpty (Directory.GetFileSystemEntries folder) "no folder")
              }

              test "train --resume: Ctrl-C while workers start leaves the run as it was" {
                  Cnn.inFolder (fun folder ->
                      let begun =
                          Cnn.run folder ([ "train"; lenet; "--out"; "run"; "--steps"; "1" ] @ small)

                      Expect.equal begun.ExitCode 0 begun.Error
                      let run = Path.Combine(folder, "run")

                      let states () =
                          Directory.GetFiles(run, "*.safetensors", SearchOption.AllDirectories)

                      let before = states ()

                      interruptedWaiting
                          folder
                          [ "--resume"; "run"; "--epochs"; "100" ]
                          $"cnn: interrupted before the run went on; cnn train --resume {run} goes on from where it was"

                      Expect.equal (states ()) before "its states")
              } ]
