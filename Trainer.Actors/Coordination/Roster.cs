using System.Security.Cryptography;
using Akka.Actor;
using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Coordination;

/// <summary>A worker that registered: where it runs, and its rank once the generation is formed.</summary>
public sealed record RosterEntry(IActorRef Worker, int Slot, string Host, int ProcessId, string Device)
{
    public override string ToString() => $"worker {Slot} (process {ProcessId} on {Host}, {Device})";
}

/// <summary>Who has registered for a run; ranks follow the slots, whatever the order of arrival.</summary>
public sealed class Roster(int world, byte[] joinToken)
{
    private readonly SortedDictionary<int, RosterEntry> entries = [];

    public int Count => entries.Count;

    /// <summary>Whether all workers are threads of one process, so that memory is their network.</summary>
    public bool IsOneProcess => entries.Values.DistinctBy(static e => (e.Host, e.ProcessId)).Count() == 1;

    public bool IsFull => entries.Count == world;

    /// <summary>The workers in rank order.</summary>
    public IReadOnlyList<RosterEntry> InRankOrder => [.. entries.Values];

    /// <summary>Registers a worker; returns null, or why it is refused.</summary>
    public string? Register(RegisterWorker registration, IActorRef worker)
    {
        if (!CryptographicOperations.FixedTimeEquals(registration.JoinToken.Span, joinToken))
        {
            return "the join token is not this run's";
        }

        if (entries.TryGetValue(registration.Slot, out var known))
        {
            return known.Worker.Equals(worker) ? null : $"slot {registration.Slot} is taken by {known}";
        }

        if (IsFull)
        {
            return $"the run has its {world} workers already";
        }

        entries[registration.Slot] = new RosterEntry(
            worker, registration.Slot, registration.Host, registration.ProcessId, registration.Device);
        return null;
    }

    public int? RankOf(IActorRef worker)
    {
        var rank = InRankOrder.Index().FirstOrDefault(e => e.Item.Worker.Equals(worker), (-1, null!)).Index;
        return rank < 0 ? null : rank;
    }

    public IEnumerable<int> RanksOfProcess(int processId) =>
        InRankOrder.Index().Where(e => e.Item.ProcessId == processId).Select(static e => e.Index);
}

/// <summary>Gathers one answer from each of a set of ranks.</summary>
public sealed class RollCall<T>(IEnumerable<int> ranks)
{
    private readonly HashSet<int> missing = [.. ranks];
    private readonly SortedDictionary<int, T> answers = [];

    public bool IsComplete => missing.Count == 0;
    public IReadOnlyCollection<int> Missing => missing;

    /// <summary>The answers so far, by rank.</summary>
    public IReadOnlyDictionary<int, T> Answers => answers;

    public IEnumerable<T> InRankOrder => answers.Values;

    /// <summary>Notes an answer; true when it was the last one missing.</summary>
    public bool Answer(int rank, T answer)
    {
        if (!missing.Remove(rank))
        {
            return false;
        }

        answers[rank] = answer;
        return IsComplete;
    }

    /// <summary>Expects no answer from a rank any more; true when nothing else is missing.</summary>
    public bool Excuse(int rank) => missing.Remove(rank) && IsComplete;
}
