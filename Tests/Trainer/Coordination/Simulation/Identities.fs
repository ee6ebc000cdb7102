/// Who the workers of a simulated run are.
module CnnCluster.Tests.Trainer.Coordination.Simulation.Identities

open CnnCluster.Tests.Trainer.Coordination
open CnnCluster.Tests.Trainer.Coordination.Simulation.Schedules
open CnnCluster.Trainer.Coordination.Machines

/// The process of a worker.
let processOf number = 1000 + number

/// Whether a worker ends with the home.
let endsWithHome schedule number =
    not schedule.AreRemote || number < schedule.AtHome

/// Whether the home has started its process, of whose end the operating system tells: those that join have been started by others.
let isStartedByHome schedule number =
    endsWithHome schedule number && number < schedule.Workers

let identityOf schedule number slot =
    let isOfHome = endsWithHome schedule number

    let host, ownSlot = if isOfHome then "home", slot else $"host {number}", -1

    WorkerIdentity(
        Array.zeroCreate 16,
        ownSlot,
        host,
        processOf number,
        "cpu",
        1,
        string number,
        not isOfHome,
        Process = CoordinatorStage.processOf number
    )
