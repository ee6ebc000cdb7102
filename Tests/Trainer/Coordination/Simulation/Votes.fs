namespace CnnCluster.Tests.Trainer.Coordination.Simulation

open System.Collections.Generic
open Google.Protobuf
open CnnCluster.Tests.Trainer.Coordination.Simulation.Schedules
open CnnCluster.Trainer.Protocol

/// The votes that workers give and ask for: each member has one in a term, and each term one that is chosen.
type Votes() =
    /// By the registration of the member that gave it, and the term.
    let given = Dictionary<struct (ByteString * int64), string>()
    /// Under which registration a worker speaks.
    let members = Dictionary<int, ByteString>()
    let chosen = Dictionary<int64, int>()

    let give by term candidate =
        match given.TryGetValue(struct (by, term)) with
        | true, other when other <> candidate ->
            fail $"a member gives its vote of term {term} to worker {candidate}, and has given it to worker {other}"
        | _ -> given[struct (by, term)] <- candidate

    /// A worker says something to its coordinator.
    member _.Note(worker: int, message: IMessage) =
        match message with
        | :? RegisterWorker as registration -> members[worker] <- registration.Incarnation
        | _ -> ()

    /// A worker says something to another.
    member _.Note(worker: int, peer: string, message: IMessage) =
        match message with
        | :? Vote as vote when vote.Granted && not vote.Probe -> give vote.Incarnation vote.Term peer
        | :? RequestVote as request when not request.Probe && not request.Withdrawn ->
            give members[worker] request.Term request.Candidate
        | _ -> ()

    /// A majority has chosen a worker.
    member _.Choose(worker: int, term: int64) =
        match chosen.TryGetValue term with
        | true, other when other <> worker -> fail $"workers {other} and {worker} are both chosen in term {term}"
        | _ -> chosen[term] <- worker
