/// What happens in a simulated run, drawn from a seed.
module CnnCluster.Tests.Trainer.Coordination.Simulation.Schedules

/// The home's place among the workers' numbers.
[<Literal>]
let Home = -1

/// What goes wrong, to which worker (by its number), and for how long (seconds).
type Fault =
    /// Killed; the operating system and connections that end tell the home, or nobody does.
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
    /// What the worker's thread does next throws.
    | Throw of worker: int
    /// What the worker's thread does next hangs, be it a step, validation or the copy of a state; its actor speaks on.
    | Hang of worker: int * seconds: float
    /// The loss diverges, for all workers at the same step.
    | Diverge
    /// These workers, with the home or without it, and all others do not reach each other.
    | Partition of workers: int list * hasHome: bool * seconds: float
    /// The control plane's connection between two breaks, as a coordinator sees too, again and again; what is under way then is lost.
    | Flicker of worker: int * other: int * seconds: float
    /// What is said between two comes late, in order.
    | Delay of worker: int * other: int * seconds: float
    /// Of all that is said between hosts a part is lost.
    | Lossy of seconds: float
    /// The control plane takes a worker for gone, which is not so, or its connection to it breaks.
    | Rumour of worker: int
    /// The home's disk is full, and has room again, or never (infinitely many seconds): no state is written there meanwhile.
    | FullDisk of seconds: float

type Schedule =
    {
        Seed: int
        Workers: int
        MinWorkers: int
        Epochs: int
        StepsPerEpoch: int64
        /// Steps behind which the run ends; 0: none.
        StepLimit: int64
        /// Epochs without improvement behind which the run ends.
        Patience: int
        /// Epochs without improvement behind which the learning rate is reduced, where it is.
        PlateauPatience: int option
        RestoresBest: bool
        /// How many times as long validation and the writing of states take.
        Slowness: float
        /// As on a machine with other work: threads that wait wake late now and then, and what the control plane makes of a silence
        /// may come as soon as anything.
        IsBusy: bool
        /// Workers live on hosts of their own, without the home, and may lead the run; else they are the home's processes.
        AreRemote: bool
        /// How many of remote workers are the home's all the same: its threads, which end and stop with it.
        AtHome: int
        /// A node that is to lead may take long to begin, as on a disk that stands still, or find that it cannot.
        AreTakeoversHard: bool
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
    /// A worker looks for the run's last step only behind a step.
    | LateLimit = 5
    /// A worker keeps the learning rate that it began with.
    | OldRate = 6
    /// A full disk is said to be the failure of the worker that sends a state.
    | BlamedSender = 7

let isOfHome fault =
    match fault with
    | HomeCrash
    | HomeCut _
    | HomePause _ -> true
    | _ -> false

let isOfDisk fault =
    match fault with
    | FullDisk _ -> true
    | _ -> false

/// The workers that a fault names; the home, of two that it is between, is none.
let named fault =
    match fault with
    | Crash(worker, _)
    | Pause(worker, _)
    | Cut(worker, _)
    | Hang(worker, _)
    | Rumour worker
    | Throw worker -> [ worker ]
    | Split(worker, other, _)
    | Flicker(worker, other, _)
    | Delay(worker, other, _) -> [ worker; other ]
    | Partition(workers, _, _) -> workers
    | _ -> []

/// How long a fault lasts.
let lasting fault =
    match fault with
    | Pause(_, seconds)
    | Hang(_, seconds)
    | HomePause seconds
    | HomeCut seconds
    | Lossy seconds
    | Cut(_, seconds)
    | Split(_, _, seconds)
    | Partition(_, _, seconds)
    | Flicker(_, _, seconds)
    | Delay(_, _, seconds) -> seconds
    | FullDisk seconds when System.Double.IsFinite seconds -> seconds
    | _ -> 0.0

/// When the last fault is over.
let endOfFaults schedule =
    schedule.Faults
    |> List.map (fun (time, fault) -> time + lasting fault)
    |> List.fold max 0.0
