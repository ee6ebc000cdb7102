namespace CnnCluster.Tests.Trainer.Coordination.Simulation

open System.Collections.Generic

module Places =
    /// The home's, among the workers' numbers.
    [<Literal>]
    let Home = -1

/// The control plane between the hosts, each known by its worker's number: a message comes once or not at all, and in order.
type Network(time: VirtualTime) =
    let cut = HashSet<int>()
    let split = HashSet<struct (int * int)>()
    let lastDelivery = Dictionary<struct (int * int), float>()
    let pair a b = struct (min a b, max a b)

    member _.Cut place = cut.Add place |> ignore
    member _.Mend place = cut.Remove place |> ignore
    member _.IsCut place = cut.Contains place
    member _.Split(a, b) = split.Add(pair a b) |> ignore
    member _.Rejoin(a, b) = split.Remove(pair a b) |> ignore

    member _.IsApart(a, b) =
        cut.Contains a || cut.Contains b || split.Contains(pair a b)

    /// What is sent, or would arrive, while the two are apart is lost. Messages of a lane come in order.
    member network.Deliver(lane, a, b, action) =
        if not (network.IsApart(a, b)) then
            let before = lastDelivery.GetValueOrDefault(lane, 0.0)
            let arrival = max before (time.Now + time.Between(0.001, 0.05))
            lastDelivery[lane] <- arrival

            time.Later(arrival - time.Now, (fun () -> if not (network.IsApart(a, b)) then action ()))
