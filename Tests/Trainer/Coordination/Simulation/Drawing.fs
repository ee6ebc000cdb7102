/// Schedules that are drawn from a seed.
module CnnCluster.Tests.Trainer.Coordination.Simulation.Drawing

open System
open CnnCluster.Tests.Trainer.Coordination.Simulation.Schedules

/// Between 0.2 and 32 seconds, shorter ones as often as longer ones.
let private duration (random: Random) =
    Math.Pow(10.0, random.NextDouble() * 2.2 - 0.7)

/// A schedule of faults among the home's processes.
let drawn seed =
    let random = Random(seed: int)
    let workers = random.Next(1, 9)

    let fault () =
        let worker = random.Next(workers + 2)
        let seconds = duration random

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
      StepLimit = 0L
      Patience = 1000
      PlateauPatience = None
      RestoresBest = true
      Slowness = 1.0
      IsBusy = true
      AreRemote = false
      AtHome = 0
      AreTakeoversHard = false
      Faults =
        [ for _ in 1 .. random.Next(0, 7) -> random.NextDouble() * 12.0, fault () ]
        |> List.sortBy fst }

/// The same on hosts that live on without the home, to which things happen too.
let drawnRemote seed =
    let schedule = drawn seed
    let random = Random(seed: int)

    let disturb (time, fault) =
        match random.Next 5 with
        | 0 -> time, HomeCrash
        | 1 -> time, HomeCut(duration random)
        | 2 when random.Next 2 = 0 -> time, HomePause(duration random)
        | _ -> time, fault

    let isOfHomeAlone = random.Next 3 = 0

    let faults =
        [ for fault in schedule.Faults do
              match disturb fault with
              | disturbed when isOfHome (snd disturbed) || not isOfHomeAlone -> disturbed
              | _ -> () ]

    { schedule with
        AreRemote = true
        AreTakeoversHard = random.Next 3 = 0
        Faults = faults }

/// Another fault in place of one: of the network, or of a worker itself.
let private fallen (random: Random) workers fault =
    let worker = random.Next(workers + 1)

    // The last of them stands for the home.
    let other =
        match random.Next(workers + 1) with
        | last when last = workers -> Home
        | other -> other

    match random.Next 10 with
    | 0 -> Throw worker
    | 1 ->
        Partition(
            [ for w in 0 .. workers - 1 do
                  if random.Next 2 = 0 then w ],
            random.Next 2 = 0,
            duration random
        )
    | 2
    | 3 -> Flicker(worker, other, duration random)
    | 4 -> Delay(worker, other, duration random)
    | 5 when random.Next 4 = 0 -> Diverge
    | 6 when random.Next 3 = 0 -> Hang(worker, Math.Pow(10.0, 1.0 + random.NextDouble() * 1.5))
    | 7 -> Rumour worker
    | 8 -> Lossy(duration random)
    | _ -> fault

/// Runs that end in other ways, with slow validations, on either kind of host, and with faults of the network's and of the
/// workers' own besides.
let drawnWide seed =
    let random = Random(seed * 31 + 7)
    let schedule = if random.Next 2 = 0 then drawn seed else drawnRemote seed
    let steps = int64 schedule.Epochs * schedule.StepsPerEpoch

    { schedule with
        Epochs = schedule.Epochs + random.Next 4
        StepLimit = if random.Next 3 = 0 then random.NextInt64(1L, steps + 1L) else 0L
        Patience = if random.Next 2 = 0 then random.Next(1, 3) else 1000
        PlateauPatience = if random.Next 2 = 0 then Some 1 else None
        RestoresBest = random.Next 3 > 0
        Slowness = if random.Next 3 = 0 then 8.0 else 1.0
        AtHome = if random.Next 2 = 0 then random.Next(schedule.Workers + 1) else 0
        Faults = [ for time, fault in schedule.Faults -> time, fallen random schedule.Workers fault ] }

/// The same of any kind, or without all other faults, where the home's disk is full from some time on: for a while, or for good.
let drawnFull seed =
    let random = Random(seed * 17 + 3)

    let schedule =
        match random.Next 3 with
        | 0 -> drawn seed
        | 1 -> drawnRemote seed
        | _ -> drawnWide seed

    let full () =
        let seconds = if random.Next 3 = 0 then Double.PositiveInfinity else duration random

        random.NextDouble() * 12.0, FullDisk seconds

    let others = if random.Next 2 = 0 then [] else schedule.Faults

    { schedule with
        Faults = List.sortBy fst ([ for _ in 0 .. random.Next 2 -> full () ] @ others) }

/// A process ends, that of a worker or of the home, and nothing else happens; workers of the home's come before the nodes, as they do
/// in a run.
let drawnCrash seed =
    let random = Random(seed * 13 + 5)
    let schedule = drawn seed
    let areRemote = random.Next 4 > 0
    let atHome = if areRemote then random.Next 9 else 0

    let workers =
        if areRemote then 2 * atHome + random.Next(2, 5) else random.Next(2, 9)

    let fault =
        if areRemote && random.Next 2 = 0 then
            HomeCrash
        else
            Crash(random.Next(atHome, workers), true)

    { schedule with
        Workers = workers
        MinWorkers = 1
        Epochs = 4
        StepsPerEpoch = int64 (random.Next(40, 80))
        IsBusy = fault.IsHomeCrash && seed % 2 = 0
        AreRemote = areRemote
        AtHome = atHome
        Faults = [ 1.5 + random.NextDouble() * 4.0, fault ] }
