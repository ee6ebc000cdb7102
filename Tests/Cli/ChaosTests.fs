/// Real processes that are killed, stopped and replaced at random, in exact mode: the weights in the end are those of a run
/// that was left alone.
module CnnCluster.Tests.Cli.ChaosTests

open System
open System.Collections.Generic
open System.Diagnostics
open System.Text.Json.Nodes
open Expecto
open CnnCluster.Tests.Cli.Runs

let private script =
    (Cnn.lenet (settings 1_000_000)).Replace("    dense   84 relu", "    dropout 0.2\n    dense   84 relu")
    |> fun text -> text.Replace("    loss cross-entropy", "    exact shards=6\n    loss cross-entropy")

let private number (name: string) otherwise =
    match Environment.GetEnvironmentVariable name with
    | null
    | "" -> otherwise
    | text -> int text

/// Faults of one run.
[<Literal>]
let private AtOnce = 10

/// Does things to the workers of a run until so many are done.
let private disturb (run: Run) join seed faults =
    let random = Random(seed: int)
    let nodes = List<Process>()
    let mutable pids = workers (run.Next "start")

    let replace () =
        nodes.Add(Cnn.start [ "node"; "--join"; join ] run.Folder)
        let regroup = run.Next("regroup", (fun e -> (string e["reason"]).Contains "joined"))
        pids <- workers regroup

    /// Until the run has lost, or has got, a worker.
    let regrouped () =
        let regroup = run.Next "regroup"
        Expect.equal (int regroup["lost_steps"]) 0 $"{regroup}"
        pids <- workers regroup

    for _ in 1..faults do
        run.Next "epoch" |> ignore
        let victim = pids[random.Next pids.Length]

        match random.Next 5 with
        | 0 ->
            // Longer than the run waits for a word: the others go on, and it comes back.
            signal "STOP" victim
            regrouped ()
            signal "CONT" victim
            regrouped ()
        | 1 ->
            // A short stop is waited for.
            signal "STOP" victim
            signal "CONT" victim
        | _ ->
            signal "KILL" victim
            regrouped ()
            replace ()

    nodes

[<Tests>]
let tests =
    testList
        "Cli.chaos (long)"
        [ test "runs whose workers are killed, stopped and replaced end with the bits of one that was left alone" {
              let count, seed = number "CNN_CHAOS" 10, number "CNN_SEED" 1

              for part in 0 .. (count - 1) / AtOnce do
                  let faults = min AtOnce (count - part * AtOnce)

                  running script [ "--processes"; "3"; "--listen"; "127.0.0.1:0" ] (fun run ->
                      let join = string (run.Next("listen")["join"])
                      let nodes = disturb run join (seed + part) faults

                      try
                          let epoch = int (run.Next("epoch")["epoch"])
                          let code, errors = run.Interrupt()
                          Expect.equal code 130 errors

                          let until = [ "--epochs"; string (epoch + 5); "--json"; "--threads"; "1" ]

                          let resumed =
                              Cnn.run run.Folder ([ "train"; "--resume"; "run"; "--processes"; "0" ] @ until)

                          let alone = Cnn.run run.Folder ([ "train"; "net.cnn"; "--out"; "alone" ] @ until)

                          Expect.equal resumed.ExitCode 0 resumed.Error
                          Expect.equal alone.ExitCode 0 alone.Error

                          Expect.equal
                              (string (resumed.Field("end", "weights_sha256")))
                              (string (alone.Field("end", "weights_sha256")))
                              $"seed {seed + part}: {faults} faults"
                      finally
                          for node in nodes do
                              if not node.HasExited then node.Kill true

                              node.Dispose())
          } ]
