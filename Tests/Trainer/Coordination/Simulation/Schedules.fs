/// What happens in a simulated run, drawn from a seed.
module CnnCluster.Tests.Trainer.Coordination.Simulation.Schedules

open System

/// What goes wrong, to which worker (by its number), and for how long (seconds).
type Fault =
    /// Killed; the operating system tells the home, or nobody does.
    | Crash of worker: int * isTold: bool
    /// Stopped and continued.
    | Pause of worker: int * seconds: float
    /// Cut off from the home and from all workers.
    | Cut of worker: int * seconds: float
    /// Two workers do not reach each other; the home reaches both.
    | Split of worker: int * other: int * seconds: float
    /// The home's process is stopped and continued.
    | HomePause of seconds: float
    /// The home is lost for good.
    | HomeCrash
    /// The home is cut off from all workers.
    | HomeCut of seconds: float
    /// The user asks to stop.
    | Interrupt
    /// Another worker comes.
    | Join

type Schedule =
    {
        Seed: int
        Workers: int
        MinWorkers: int
        Epochs: int
        StepsPerEpoch: int64
        /// Workers live on hosts of their own, without the home, and may lead the run; else they are the home's processes.
        AreRemote: bool
        Faults: (float * Fault) list
    }

/// What the model can be told to do wrong, so that the checks are seen to find it.
type Sabotage =
    | Nothing = 0
    /// Workers take the newest state for their own without copying it.
    | NoCopy = 1
    /// A reduction ends though a worker has not come.
    | EarlyReduction = 2
    /// A worker that is halted forgets its last step.
    | Rollback = 3
    /// Among a step's workers one is given other weights.
    | OtherSum = 4

let isOfHome fault =
    match fault with
    | HomeCrash
    | HomeCut _
    | HomePause _ -> true
    | _ -> false

/// The workers that a fault names.
let named fault =
    match fault with
    | Crash(worker, _)
    | Pause(worker, _)
    | Cut(worker, _) -> [ worker ]
    | Split(worker, other, _) -> [ worker; other ]
    | _ -> []

/// How long a fault lasts.
let lasting fault =
    match fault with
    | Pause(_, seconds)
    | HomePause seconds
    | HomeCut seconds
    | Cut(_, seconds)
    | Split(_, _, seconds) -> seconds
    | _ -> 0.0

/// When the last fault is over.
let endOfFaults schedule =
    schedule.Faults
    |> List.map (fun (time, fault) -> time + lasting fault)
    |> List.fold max 0.0

/// A schedule of faults among the home's processes.
let drawn seed =
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
let drawnRemote seed =
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
        [ for fault in schedule.Faults do
              match disturb fault with
              | disturbed when isOfHome (snd disturbed) || not isOfHomeAlone -> disturbed
              | _ -> () ]

    { schedule with
        AreRemote = true
        Faults = faults }
