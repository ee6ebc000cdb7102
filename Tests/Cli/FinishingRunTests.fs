/// A worker process that is stopped while its run ends.
module CnnCluster.Tests.Cli.FinishingRunTests

open System
open System.Diagnostics
open System.IO
open System.Threading.Tasks
open Expecto
open CnnCluster.Tests.Cli.Runs

/// With the same bits for two workers as for three.
let private script =
    (Cnn.lenet (settings 3)).Replace("    loss cross-entropy", "    exact shards=3\n    loss cross-entropy")

let private hashOf (run: Run) =
    string (run.Next("end")["weights_sha256"])

/// Makes a pipe of the file of a run's last state, while the run stands still. It waits for a reader of it in its end, when its
/// last epoch is done.
let private holdingTheEnd (run: Run) =
    run.Signal "STOP"
    let final = Path.Combine(run.Folder, "run", "checkpoints", "final.safetensors")
    use made = Process.Start("mkfifo", [ final ])
    made.WaitForExit()
    run.Signal "CONT"
    Expect.equal made.ExitCode 0 "a pipe with a name"
    final

/// Waits until the run is there, and reads nothing yet: it has more to write than a pipe takes.
let private atTheEnd (final: string) =
    let opening =
        Task.Run(fun () -> new FileStream(final, FileMode.Open, FileAccess.Read, FileShare.ReadWrite))

    if not (opening.Wait patience) then
        failtest "the run does not come to its end"

    File.Delete final
    opening.Result

[<Tests>]
let tests =
    testList
        "Cli.a run that ends (long)"
        [ if OperatingSystem.IsLinux() then
              for last in [ false; true ] do
                  let which = if last then "the last" else "the first, which has the last state,"

                  test $"a worker that is stopped in the run's end is done without: {which} of three" {
                      let three = [ "--processes"; "3" ]
                      let undisturbed = running script three hashOf

                      running script three (fun run ->
                          let pids = workers (run.Next "start")
                          let final = holdingTheEnd run
                          use held = atTheEnd final
                          let stopped = if last then pids[2] else pids[0]
                          signal "STOP" stopped

                          try
                              let regroup = run.Next "regroup"
                              Expect.equal (regrouped regroup) (2, 2, 0) "the two others end it"
                              Expect.stringContains (string regroup["reason"]) $"process {stopped}" "who"
                              let read = held.CopyToAsync Stream.Null
                              Expect.equal (hashOf run) undisturbed "the same bits"
                              let code, errors = run.End()
                              Expect.equal code 0 errors
                              Expect.isTrue (read.Wait patience) "nothing is left open"
                          finally
                              if Directory.Exists $"/proc/{stopped}" then signal "KILL" stopped)
                  } ]
