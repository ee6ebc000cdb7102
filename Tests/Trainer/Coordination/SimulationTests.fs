/// Thousands of runs under faults, in virtual time: docs/cluster.md has the invariants.
module CnnCluster.Tests.Trainer.Coordination.SimulationTests

open System
open Expecto
open CnnCluster.Tests.Trainer.Coordination.Simulation
open CnnCluster.Tests.Trainer.Coordination.Simulation.Schedules

let private attempt sabotage schedule =
    let world = World(schedule, sabotage)

    try
        world.Run()
        None
    with
    | Violation message -> Some(message, world.Trace)
    | e -> Some(string e, world.Trace)

/// The same failure with as few faults as possible.
let rec private shrunk sabotage schedule =
    let smaller =
        [ for i in 0 .. schedule.Faults.Length - 1 ->
              { schedule with
                  Faults = List.removeAt i schedule.Faults } ]

    match smaller |> List.tryFind (attempt sabotage >> Option.isSome) with
    | Some smaller -> shrunk sabotage smaller
    | None -> schedule

let private count otherwise =
    match Environment.GetEnvironmentVariable "CNN_SIMULATE" with
    | null
    | "" -> otherwise
    | text -> int text

let private firstSeed =
    match Environment.GetEnvironmentVariable "CNN_SEED" with
    | null
    | "" -> 1
    | text -> int text

let private holdsFor draw seed =
    let schedule = draw seed

    if (attempt Sabotage.Nothing schedule).IsSome then
        let least = shrunk Sabotage.Nothing schedule
        let message, trace = (attempt Sabotage.Nothing least).Value
        failtest $"seed {seed}: {message}\n%A{least}\n{trace}"

let private holds = holdsFor drawn

let private finds sabotage =
    seq { 1..400 }
    |> Seq.exists (fun seed -> (attempt sabotage (drawn seed)).IsSome)

[<Tests>]
let tests =
    testList
        "Trainer.Coordination.Simulation"
        [ test "an undisturbed run ends with its best weights" {
              for seed in 1..50 do
                  let schedule = { drawn seed with Faults = [] }

                  match attempt Sabotage.Nothing schedule with
                  | Some(message, trace) -> failtest $"{message}\n{trace}"
                  | None -> ()
          }
          test "runs under faults lose no committed step, keep one state, and end" {
              for seed in firstSeed .. firstSeed + count 10_000 - 1 do
                  holds seed
          }
          test "runs on several hosts, whose homes are lost, cut off or stopped, do the same" {
              for seed in firstSeed .. firstSeed + count 5_000 - 1 do
                  holdsFor drawnRemote seed
          }
          test "256 workers, some of which are lost" {
              let schedule =
                  { Seed = 5
                    Workers = 256
                    MinWorkers = 1
                    Epochs = 2
                    StepsPerEpoch = 5L
                    AreRemote = false
                    Faults = [ for i in 1..20 -> 1.5 + float i * 0.1, Crash(i * 7, true) ] }

              match attempt Sabotage.Nothing schedule with
              | Some(message, trace) -> failtest $"{message}\n{trace}"
              | None -> ()
          }
          for sabotage in [ Sabotage.NoCopy; Sabotage.EarlyReduction; Sabotage.Rollback; Sabotage.OtherSum ] do
              test $"what is wrong is found: {sabotage}" { Expect.isTrue (finds sabotage) $"{sabotage}" } ]

[<Tests>]
let longTests =
    testList
        "Trainer.Coordination.Simulation (long)"
        [ test "100,000 runs under faults lose no committed step, keep one state, and end" {
              for seed in 100_000 .. 100_000 + count 100_000 - 1 do
                  holds seed
          }
          test "50,000 runs on several hosts do the same" {
              for seed in 100_000 .. 100_000 + count 50_000 - 1 do
                  holdsFor drawnRemote seed
          } ]
