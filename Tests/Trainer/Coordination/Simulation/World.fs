namespace CnnCluster.Tests.Trainer.Coordination.Simulation

open System
open CnnCluster.Tests.Trainer.Coordination.Simulation.Schedules
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Protocol

/// A run under virtual time: the production's state machines, with workers, a network and faults that are models. Runs one
/// schedule, and raises `Violation` where an invariant is broken.
type World(schedule: Schedule, sabotage: Sabotage) =
    /// Seconds behind the last fault within which a run ends.
    static let patience = 400.0

    let time = VirtualTime schedule.Seed
    let nodes = Collections.Generic.List<Node>()
    let network = Network time

    let course = Undisturbed.courseOf schedule

    let run =
        { Schedule = schedule
          Sabotage = sabotage
          Time = time
          Network = network
          Nodes = nodes
          Leads = Collections.Generic.List<Lead>()
          Ledger = Ledger(schedule, course, time)
          Collectives = Collectives(time, network, nodes, schedule, sabotage) }

    /// As the home's coordinator has them, or one that takes over.
    let settings hasHome (number: int) =
        RunSettings(
            World = schedule.Workers,
            MinWorkers = schedule.MinWorkers,
            HasHome = hasHome,
            ReservedSlots = (if schedule.AreRemote then schedule.AtHome else schedule.Workers),
            Job = Job(StepLimit = schedule.StepLimit),
            JoinToken = Array.zeroCreate 16,
            Epochs = schedule.Epochs,
            Monitor = "val_loss",
            EarlyStopping = Undisturbed.earlyOf schedule,
            Plateau = Undisturbed.plateauOf schedule,
            RestoreBest = schedule.RestoresBest,
            FigureNames = [||],
            RegularizedNames = [||],
            Parameters = 1L,
            StateReceiver = Endpoint(Port = number),
            StateToken = BitConverter.GetBytes(int64 number),
            HomeHost = "home",
            Patience = Patience(Waiting = TimeSpan.FromSeconds 120.0)
        )

    let actors = Actors(run, settings)
    let ending = Ending(run, course, actors)
    let bound = endOfFaults schedule + patience

    let tooLong () =
        let states = actors.Leads |> Seq.filter actors.IsAlive |> Seq.map _.Machine.State

        fail $"the run has not ended {patience} s behind the last fault: {String.Join(' ', states)}"

    member _.Trace = time.Trace

    /// Virtual seconds that it took.
    member _.Elapsed = time.Now

    member _.Run() =
        for slot in 0 .. schedule.Workers - 1 do
            actors.Start slot

        Faults(run, actors).Await()
        actors.StartHome()

        while not (ending.HasCome()) do
            let action = time.Next()
            if time.Now > bound then tooLong ()
            action ()

        ending.Check()
