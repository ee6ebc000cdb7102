/// Thousands of runs under faults, in virtual time: docs/cluster.md has the invariants.
module CnnCluster.Tests.Trainer.Coordination.SimulationTests

open System
open Expecto
open CnnCluster.Tests.Trainer.Coordination.Simulation

/// A schedule of faults from a seed.
let private drawn seed =
    let random = Random(seed: int)
    let workers = random.Next(1, 9)

    let fault () =
        let worker = random.Next(workers + 2)
        let seconds = Math.Pow(10.0, random.NextDouble() * 2.2 - 0.7)

        match random.Next 12 with
        | 0
        | 1
        | 2 -> Crash(worker, random.Next 3 > 0)
        | 3
        | 4 -> Pause(worker, seconds)
        | 5
        | 6 -> Cut(worker, seconds)
        | 7 -> Split(worker, random.Next(workers + 2), seconds)
        | 8 -> HomePause seconds
        | 9 when random.Next 3 = 0 -> Interrupt
        | _ -> Join

    { Seed = seed
      Workers = workers
      MinWorkers = if random.Next 5 = 0 then min workers 2 else 1
      Epochs = random.Next(1, 5)
      StepsPerEpoch = int64 (random.Next(1, 40))
      AreRemote = false
      Faults =
        [ for _ in 1 .. random.Next(0, 7) -> random.NextDouble() * 12.0, fault () ]
        |> List.sortBy fst }

/// The same on hosts that live on without the home, to which things happen too.
let private drawnRemote seed =
    let schedule = drawn seed
    let random = Random(seed: int)

    let disturb (time, fault) =
        match random.Next 5 with
        | 0 -> time, HomeCrash
        | 1 -> time, HomeCut(Math.Pow(10.0, random.NextDouble() * 2.2 - 0.7))
        | 2 when random.Next 2 = 0 -> time, HomePause(Math.Pow(10.0, random.NextDouble() * 2.2 - 0.7))
        | _ -> time, fault

    let isOfHomeAlone = random.Next 3 = 0

    let faults =
        [ for time, fault in schedule.Faults do
              match disturb (time, fault) with
              | _, (HomeCrash | HomeCut _ | HomePause _) as drawn -> drawn
              | drawn when not isOfHomeAlone -> drawn
              | _ -> () ]

    { schedule with
        AreRemote = true
        Faults = faults }

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
