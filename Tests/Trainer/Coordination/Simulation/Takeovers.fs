namespace CnnCluster.Tests.Trainer.Coordination.Simulation

open CnnCluster.Tests.Trainer.Coordination.Simulation.Schedules

/// What comes of it that a node is to lead.
type Takeover =
    {
        Seconds: float
        /// Its whole process stands still meanwhile.
        IsFrozen: bool
        Succeeds: bool
    }

/// Nodes that begin to lead: soon, or late, or not at all.
type Takeovers(run: Run) =
    let time, schedule = run.Time, run.Schedule

    let quick () =
        { Seconds = time.Between(0.02, 0.3)
          IsFrozen = false
          Succeeds = true }

    let hard () =
        let low, high =
            match time.Between(0.0, 1.0) with
            | chance when chance < 0.3 -> 0.02, 0.3
            | chance when chance < 0.6 -> 2.0, 10.0
            | _ -> 10.0, 20.0

        { Seconds = time.Between(low, high)
          IsFrozen = time.Between(0.0, 1.0) < 0.5
          Succeeds = time.Between(0.0, 1.0) < 0.75 }

    /// A node's first may be hard; by the next its disk is back.
    let draw (node: Node) =
        if schedule.AreTakeoversHard && not node.HasBeenChosen then
            hard ()
        else
            quick ()

    /// Has a node take over, behind what it has been chosen for before. One that stood still hears of the time first, and of the
    /// end of it behind all that has come meanwhile.
    member _.Begin(node: Node, tick, lead, decline) =
        let takeover = draw node
        node.HasBeenChosen <- true
        node.TakesOverUntil <- max time.Now node.TakesOverUntil + takeover.Seconds

        if takeover.Seconds > 1.0 || not takeover.Succeeds then
            run.Ledger.NoteTakeover node.TakesOverUntil

        let finish = if takeover.Succeeds then lead else decline

        if takeover.IsFrozen then
            node.IsPaused <- true

            time.At(
                node.TakesOverUntil,
                (fun () ->
                    node.GoOn tick
                    node.Do finish)
            )
        else
            time.At(node.TakesOverUntil, (fun () -> node.Do finish))
