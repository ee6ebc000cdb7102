/// Thousands of runs under faults, in virtual time: docs/cluster.md has the invariants.
module CnnCluster.Tests.Trainer.Coordination.SimulationTests

open System
open Expecto
open CnnCluster.Tests.Trainer.Coordination.Simulation
open CnnCluster.Tests.Trainer.Coordination.Simulation.Schedules
open CnnCluster.Tests.Trainer.Coordination.Simulation.Drawing

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

let private number name otherwise =
    match Environment.GetEnvironmentVariable name with
    | null
    | "" -> otherwise
    | text -> int text

/// From the first on so many, unless the environment says otherwise.
let private seeds first count =
    let first = number "CNN_SEED" first
    [ first .. first + number "CNN_SIMULATE" count - 1 ]

let private holdsFor draw seed =
    let schedule = draw seed

    if (attempt Sabotage.Nothing schedule).IsSome then
        let least = shrunk Sabotage.Nothing schedule
        let message, trace = (attempt Sabotage.Nothing least).Value
        failtest $"seed {seed}: {message}\n%A{least}\n{trace}"

let private holds = holdsFor drawn

/// The seed's run, of so many nodes, long enough for a home to be lost in it, under these faults.
let private longRun workers areRemote faults seed =
    { drawn seed with
        Workers = workers
        MinWorkers = 1
        Epochs = 30
        StepsPerEpoch = 30L
        Slowness = 8.0
        AreRemote = areRemote
        Faults = List.sortBy fst faults }

let private finds sabotage draw =
    seq { 1..400 } |> Seq.exists (fun seed -> (attempt sabotage (draw seed)).IsSome)

/// One cause each, in a run that is long enough for it: of its first seed, so many of the narrow ones, and so many that are killed.
let private singled first narrow crashes =
    [ test "a home that is cut off for as long as a vote takes, while a newcomer is taken in, does not end the run" {
          for seed in seeds first narrow do
              let random = Random seed

              holdsFor
                  (fun seed ->
                      { drawn seed with
                          Workers = random.Next(3, 7)
                          MinWorkers = 1
                          Epochs = 3
                          StepsPerEpoch = 30L
                          AreRemote = true
                          Faults =
                              [ 2.0, Join; 2.0 + random.NextDouble() * 2.0, HomeCut(2.4 + random.NextDouble() * 1.6) ] })
                  seed
      }
      test "nodes that had just come, or came anew, when their home was lost find the coordinator that the others chose" {
          for seed in seeds first narrow do
              let random = Random seed
              let workers = random.Next(3, 7)
              let lost = 8.0 + random.NextDouble() * 2.0

              let joining =
                  if random.Next 2 = 0 then
                      lost - random.NextDouble() * 2.0, Join
                  else
                      0.5 + random.NextDouble(), Pause(random.Next workers, lost - 1.5 + random.NextDouble())

              holdsFor (longRun workers true [ joining; lost, HomeCrash ]) seed
      }
      test "one is lost, and the control plane takes all others for gone as well: that one is done without" {
          for seed in seeds first narrow do
              let random = Random seed
              let workers = random.Next(3, 7)
              let lost = 4.0 + random.NextDouble() * 4.0

              let rumours =
                  [ for worker in 1 .. workers - 1 -> lost + random.NextDouble() * 2.0, Rumour worker ]

              holdsFor (longRun workers (seed % 2 = 0) ((lost, Crash(0, seed % 4 < 2)) :: rumours)) seed
      }
      test "a home is stopped or cut off and comes back, while a part of all that is said is lost: no two sides go on" {
          for seed in seeds first narrow do
              let random = Random seed
              let lost = 4.0 + random.NextDouble() * 4.0
              let seconds = 3.0 + random.NextDouble() * 9.0
              let ofHome = if random.Next 2 = 0 then HomeCut seconds else HomePause seconds

              let faults =
                  [ lost, ofHome
                    lost - random.NextDouble(), Lossy(seconds + random.NextDouble() * 10.0)
                    if random.Next 2 = 0 then lost + random.NextDouble() * seconds, Join ]

              holdsFor
                  (fun seed ->
                      { longRun (random.Next(3, 7)) true faults seed with
                          AreTakeoversHard = random.Next 2 = 0 })
                  seed
      }
      test "where a process is killed, of a worker or of the home, the others go on within two and within five seconds" {
          for seed in seeds first crashes do
              holdsFor drawnCrash seed
      }
      test
          "a home that stood still, while two nodes blame each other and the control plane doubts all, gives up no majority" {
          for seed in seeds first narrow do
              let random = Random seed
              let workers = random.Next(5, 8)
              let at = 3.0 + random.NextDouble() * 4.0
              let soon () = at + random.NextDouble() * 2.0

              let rumours = [ for worker in 0 .. workers - 1 -> soon (), Rumour worker ]

              let others =
                  [ soon (), HomePause(Math.Pow(10.0, random.NextDouble() * 1.7 - 0.6))
                    soon (), Split(1, 2, 0.5 + random.NextDouble() * 8.0)
                    soon (), Join ]

              holdsFor (longRun workers true (rumours @ others)) seed
      } ]

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
              for seed in seeds 1 2_000 do
                  holds seed
          }
          test "runs on several hosts, whose homes are lost, cut off or stopped, do the same" {
              for seed in seeds 1 500 do
                  holdsFor drawnRemote seed
          }
          test "runs that end in other ways, under faults of the network's and of workers' own, do the same" {
              for seed in seeds 1 500 do
                  holdsFor drawnWide seed
          }
          test "runs whose home has no room for states, for a while or for good, give up nobody, and end" {
              for seed in seeds 1 700 do
                  holdsFor drawnFull seed
          }
          yield! singled 1 200 800
          test "256 workers, some of which are lost, stopped or cut off, while others come" {
              let faults =
                  List.concat
                      [ [ for i in 1..20 -> 1.5 + float i * 0.1, Crash(i * 7, i % 2 = 0) ]
                        [ for i in 1..5 -> 2.0 + float i * 0.3, Pause(i * 11 + 1, 7.0) ]
                        [ for i in 1..5 -> 2.2 + float i * 0.3, Flicker(i * 13 + 2, Home, 3.0) ]
                        [ for i in 1..3 -> 3.0 + float i, Join ]
                        [ 3.0, Partition([ 200..240 ], false, 8.0); 4.0, Throw 250 ] ]

              let schedule =
                  { drawn 5 with
                      Workers = 256
                      MinWorkers = 1
                      Epochs = 3
                      StepsPerEpoch = 10L
                      Faults = List.sortBy fst faults }

              match attempt Sabotage.Nothing schedule with
              | Some(message, trace) -> failtest $"{message}\n{trace}"
              | None -> ()
          }
          for draw, sabotages in
              [ drawn, [ Sabotage.NoCopy; Sabotage.EarlyReduction; Sabotage.Rollback; Sabotage.OtherSum ]
                drawnWide, [ Sabotage.LateLimit; Sabotage.OldRate ]
                drawnFull, [ Sabotage.BlamedSender ] ] do
              for sabotage in sabotages do
                  test $"what is wrong is found: {sabotage}" { Expect.isTrue (finds sabotage draw) $"{sabotage}" } ]

[<Tests>]
let longTests =
    testList
        "Trainer.Coordination.Simulation (long)"
        [ yield! singled 100_000 400 2_000
          test "10,000 runs under faults lose no committed step, keep one state, and end" {
              for seed in seeds 100_000 10_000 do
                  holds seed
          }
          test "5,000 runs that end in other ways do the same" {
              for seed in seeds 100_000 5_000 do
                  holdsFor drawnWide seed
          }
          test "5,000 runs on several hosts do the same" {
              for seed in seeds 100_000 5_000 do
                  holdsFor drawnRemote seed
          }
          test "5,000 runs whose home has no room for states do the same" {
              for seed in seeds 100_000 5_000 do
                  holdsFor drawnFull seed
          } ]
