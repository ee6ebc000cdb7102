/// Real processes that are killed, stopped and replaced at random, in exact mode: the weights in the end are those of a run
/// that was left alone.
module CnnCluster.Tests.Cli.ChaosTests

open System
open System.Collections.Generic
open System.Diagnostics
open System.Threading
open Expecto
open CnnCluster.Tests.Cli.Runs

/// Small, so that most of a step is what the workers tell one another: whoever trains does not keep newcomers from starting, and
/// what took minutes is trained again in less.
let private script =
    $"""
network Small {{
    input 28x28x1
    conv 4 5x5 relu
    maxpool 2x2
    flatten
    dropout 0.2
    dense 10
}}

train Small {{
    exact shards=4
    loss cross-entropy
{settings 1_000_000}
}}
"""

let private number (name: string) otherwise =
    match Environment.GetEnvironmentVariable name with
    | null
    | "" -> otherwise
    | text -> int text

/// What a failure is to tell: whom Akka took for gone, and why.
let private logging = [ "--log-level"; "warning"; "--log-format"; "json" ]

/// Faults of one run.
[<Literal>]
let private AtOnce = 25

type private Fault =
    /// Longer than the run waits for a word: the others go on, and it comes back.
    | LongStop
    /// For so many milliseconds: the run waits for it.
    | ShortStop of int
    /// It is replaced by a node that joins.
    | Kill

let private draw (random: Random) =
    match random.Next 5 with
    | 0 -> LongStop
    | 1 -> ShortStop(random.Next(200, 1500))
    | _ -> Kill

/// The workers of a run, and what is done to them.
type private Disturbance(run: Run, join: string) =
    let clock = Stopwatch.StartNew()
    let log = List<string>()
    let nodes = List<Process * Lines>()
    let mutable living = Set.ofList (run.Next "start" |> workers)

    let away victim =
        run.Until($"worker {victim} given up", (fun members -> not (List.contains victim members)))

    let whole () =
        run.Until($"the workers {List.ofSeq living}", (fun members -> Set.ofList members = living))

    let start () =
        let node = Cnn.start ([ "node"; "--join"; join ] @ logging) run.Folder
        Lines node.StandardOutput |> ignore
        nodes.Add(node, Lines node.StandardError)
        living <- living.Add node.Id

    let act victim fault =
        match fault with
        | LongStop ->
            signal "STOP" victim
            away victim
            signal "CONT" victim
        | ShortStop milliseconds ->
            signal "STOP" victim
            Thread.Sleep milliseconds
            signal "CONT" victim
        | Kill ->
            signal "KILL" victim
            living <- living.Remove victim
            away victim
            start ()

    /// Does something to a worker, and waits until the run has as many of them as before, and has trained with them.
    member _.Do(victim, fault) =
        let began = clock.Elapsed
        log.Add $"{began.TotalSeconds:F1} s: {fault} of {victim}"
        act victim fault
        whole ()
        run.Next "epoch" |> ignore
        log[log.Count - 1] <- $"{log[log.Count - 1]}, over after {(clock.Elapsed - began).TotalSeconds:F1} s"

    /// The process that a number stands for.
    member _.Victim number =
        List.item (number % living.Count) (List.ofSeq living)

    /// What was done.
    member _.Done = String.concat "\n  " log

    /// And what the nodes warned of meanwhile.
    member _.Told =
        let said =
            [ for node, errors in nodes do
                  for line in errors.Last 60 -> $"node {node.Id}: {line}" ]

        String.concat "\n  " (Seq.append log said)

    interface IDisposable with
        member _.Dispose() =
            for node, _ in nodes do
                if not node.HasExited then node.Kill true
                node.Dispose()

let private disturb (run: Run) join seed faults =
    let random = Random(seed: int)
    use disturbance = new Disturbance(run, join)

    try
        for _ in 1..faults do
            disturbance.Do(disturbance.Victim(random.Next 1000), draw random)

        // The nodes end with the run: it is stopped before they are.
        let epoch = int (run.Next("epoch")["epoch"])
        let code, errors = run.Interrupt()
        Expect.equal code 130 errors
        printfn $"chaos, seed {seed}:\n  {disturbance.Done}"
        epoch
    with e ->
        raise (Exception($"{e.Message}\nseed {seed}, what was done:\n  {disturbance.Told}", e))

/// The weights that a command ends with; it trains again what took a run some minutes.
let private hashOf (run: Run) arguments =
    use cnn = Cnn.start ("train" :: arguments) run.Folder
    let ended = Cnn.finish (TimeSpan.FromMinutes 10.0) cnn
    Expect.equal ended.ExitCode 0 ended.Error
    string (ended.Field("end", "weights_sha256"))

[<Tests>]
let tests =
    testList
        "Cli.chaos (long)"
        [ test "runs whose workers are killed, stopped and replaced end with the bits of one that was left alone" {
              let count, seed = number "CNN_CHAOS" 50, number "CNN_SEED" 1

              for part in 0 .. (count - 1) / AtOnce do
                  let faults = min AtOnce (count - part * AtOnce)

                  running script ([ "--processes"; "3"; "--listen"; "127.0.0.1:0" ] @ logging) (fun run ->
                      let join = string (run.Next("listen")["join"])
                      let clock = Stopwatch.StartNew()
                      let epoch = disturb run join (seed + part) faults
                      let disturbed = clock.Elapsed.TotalSeconds
                      let until = [ "--epochs"; string (epoch + 5); "--json"; "--threads"; "1" ]
                      let resumed = hashOf run ([ "--resume"; "run"; "--processes"; "0" ] @ until)
                      let alone = hashOf run ([ "net.cnn"; "--out"; "alone" ] @ until)

                      printfn
                          $"chaos, seed {seed + part}: {faults} faults in {disturbed:F0} s, {epoch + 5} epochs again in {clock.Elapsed.TotalSeconds - disturbed:F0} s"

                      Expect.equal resumed alone $"seed {seed + part}: {faults} faults")
          } ]
