/// Runs the `cnn` program as a user would, in a process and a folder of its own.
module CnnCluster.Tests.Cli.Cnn

open System
open System.Collections.Generic
open System.Diagnostics
open System.IO
open System.Text.Json
open System.Text.Json.Nodes
open CnnCluster.Tests

type Result =
    { ExitCode: int
      Output: string
      Error: string
      Elapsed: TimeSpan }

    member result.Lines = result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)

    /// The events that `train --json` printed.
    member result.Events = result.Lines |> Array.map JsonNode.Parse

    member result.Event(name: string) =
        result.Events
        |> Array.tryFindBack (fun e -> string e["event"] = name)
        |> Option.defaultWith (fun () -> failwith $"no '{name}' event in:\n{result.Output}\n{result.Error}")

    /// One value of the last event of a name.
    member result.Field(event: string, key: string) : JsonNode = (result.Event event).[key]

/// A fresh folder for one test, deleted afterwards.
let inFolder act =
    let folder = Directory.CreateTempSubdirectory "cnn-test-"

    try
        act folder.FullName
    finally
        folder.Delete true

/// Where a build puts the program: beside it lies what was compiled ahead, which starts sooner.
let home =
    Path.Combine(Repository.file "Cli", Path.GetRelativePath(Repository.file "Tests", AppContext.BaseDirectory))

let private library = Path.Combine(home, "cnn.dll")

let private startProgram program (arguments: string list) (folder: string) =
    let info =
        ProcessStartInfo(
            program,
            arguments,
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true
        )

    info.Environment["NO_COLOR"] <- "1"
    info.Environment.Remove "CNN_DATA" |> ignore
    Process.Start info

let start arguments folder =
    startProgram "dotnet" (library :: arguments) folder

/// As from a terminal, where an interrupt is not ignored: what a script starts in the background inherits that it is.
let startInterruptible arguments folder =
    startProgram "env" ("--default-signal=INT" :: "dotnet" :: library :: arguments) folder

/// As a program's arguments, such as one that changes where it runs.
let startThrough (program: string list) arguments folder =
    startProgram program.Head (program.Tail @ "dotnet" :: library :: arguments) folder

/// Waits for a process, no longer than `patience`; past that it is killed and the test fails.
let finish (patience: TimeSpan) (cnn: Process) =
    let clock = Stopwatch.StartNew()

    let output, error =
        cnn.StandardOutput.ReadToEndAsync(), cnn.StandardError.ReadToEndAsync()

    if not (cnn.WaitForExit patience) then
        cnn.Kill true
        failwith $"cnn was still running after {patience}:\n{output.Result}\n{error.Result}"

    { ExitCode = cnn.ExitCode
      Output = output.Result
      Error = error.Result
      Elapsed = clock.Elapsed }

let run folder arguments =
    use cnn = start arguments folder
    finish (TimeSpan.FromMinutes 2.0) cnn

/// With its standard streams going where a shell's redirections send them, as `>/dev/full`.
let runInto (redirections: string) folder arguments =
    use cnn =
        startProgram "sh" ([ "-c"; $"exec dotnet \"$@\" {redirections}"; "sh"; library ] @ arguments) folder

    finish (TimeSpan.FromMinutes 2.0) cnn

/// With nobody left who reads standard output, nor what is sent there; the program's exit code, and what it said.
let runUnread (redirections: string) folder arguments =
    let code = Path.Combine(folder, "exit-code")

    let piped = $"{{ dotnet \"$@\" {redirections}; echo $? >\"$0\"; }} | :"

    use cnn = startProgram "sh" ([ "-c"; piped; code; library ] @ arguments) folder

    let result = finish (TimeSpan.FromMinutes 2.0) cnn

    { result with
        ExitCode = int (File.ReadAllText code) }

let write (folder: string) name (text: string) =
    let path = Path.Combine(folder, name)
    File.WriteAllText(path, text)
    path

/// LeNet-5 on a small generated data set, as the tests of training use it.
let lenet (settings: string) =
    $"""
network LeNet5 {{
    input   28x28x1
    conv    6 5x5 pad=same relu
    maxpool 2x2
    conv    16 5x5 relu
    maxpool 2x2
    flatten
    dense   120 relu
    dense   84 relu
    dense   10
}}

train LeNet5 {{
    loss cross-entropy
{settings}
}}
"""

/// The same with tanh and average pooling: smooth, so that rounding stays rounding.
let smoothLenet (settings: string) =
    (lenet settings).Replace("relu", "tanh").Replace("maxpool", "avgpool")
