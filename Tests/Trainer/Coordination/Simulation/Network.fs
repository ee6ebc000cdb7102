namespace CnnCluster.Tests.Trainer.Coordination.Simulation

open System.Collections.Generic

/// What lies between the hosts, each known by its worker's number, and the control plane on it: a message comes once or not at
/// all, and in order.
type Network(time: VirtualTime) =
    let cut = HashSet<int>()
    let split = HashSet<struct (int * int)>()
    let partitions = List<HashSet<int>>()
    /// Pairs between which the control plane has no connection, and those between which it is slow, until when.
    let silent = HashSet<struct (int * int)>()
    let slow = Dictionary<struct (int * int), float>()
    let mutable lossyUntil = 0.0
    let lastDelivery = Dictionary<struct (int * int), float>()

    let pair (a: int) (b: int) =
        if a < b then struct (a, b) else struct (b, a)

    /// No way leads from one to the other.
    let isApart a b =
        a <> b
        && (cut.Contains a
            || cut.Contains b
            || split.Contains(pair a b)
            || (partitions.Count > 0
                && partitions.Exists(fun side -> side.Contains a <> side.Contains b)))

    let isLost a b =
        isApart a b || silent.Contains(pair a b)

    let isDropped a b =
        a <> b && lossyUntil > time.Now && time.Between(0.0, 1.0) < 0.3

    let arrival a b =
        let latest = slow.GetValueOrDefault(pair a b, 0.0)

        if latest > time.Now then
            time.Between(time.Now + 0.001, latest)
        else
            time.Now + time.Between(0.001, 0.05)

    member _.Cut place = cut.Add place |> ignore
    member _.Mend place = cut.Remove place |> ignore
    member _.IsCut place = cut.Contains place
    member _.Split(a, b) = split.Add(pair a b) |> ignore
    member _.Rejoin(a, b) = split.Remove(pair a b) |> ignore
    member _.Part side = partitions.Add side
    member _.Reunite side = partitions.Remove side |> ignore
    member _.Silence(a, b) = silent.Add(pair a b) |> ignore
    member _.Reconnect(a, b) = silent.Remove(pair a b) |> ignore
    member _.Slow(a, b, until) = slow[pair a b] <- until
    member _.Lose until = lossyUntil <- max lossyUntil until
    member _.IsApart(a, b) = isApart a b

    /// What is sent, or would arrive, while the two have no connection is lost. Messages of a lane come in order.
    member _.Deliver(lane, a, b, action) =
        if not (isLost a b || isDropped a b) then
            let before = lastDelivery.GetValueOrDefault(lane, 0.0)
            let due = max before (arrival a b)
            lastDelivery[lane] <- due
            time.Later(due - time.Now, (fun () -> if not (isLost a b) then action ()))
