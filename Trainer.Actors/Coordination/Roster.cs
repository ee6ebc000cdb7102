namespace CnnCluster.Trainer.Coordination;

/// <summary>A worker of a run, and where it runs.</summary>
/// <param name="Slot">Its number in the run, which orders the ranks.</param>
/// <param name="Host">The machine's name.</param>
/// <param name="ProcessId">On that machine.</param>
/// <param name="Device">As <c>cpu</c> or <c>cuda:0</c>.</param>
/// <param name="Share">Its part of a batch beside the others'.</param>
public sealed record RosterEntry(int Slot, string Host, int ProcessId, string Device, int Share)
{
    /// <summary>The greatest share: no device is worth having beside one that is a thousand times as fast.</summary>
    public const int MostShare = 1_000;

    /// <summary>Random bytes that tell its process from all others: in containers several have one name and one number.</summary>
    public const int ProcessBytes = 16;

    /// <summary>Intra-op threads that it computes with; null until it has said so.</summary>
    public int? Threads { get; init; }

    public override string ToString() => $"worker {Slot} (process {ProcessId} on {Host}, {Device})";
}

/// <summary>Gathers one answer from each of a set of ranks.</summary>
public sealed class RollCall<T>(IEnumerable<int> ranks)
{
    private readonly HashSet<int> missing = [.. ranks];
    private readonly SortedDictionary<int, T> answers = [];

    public bool IsComplete => missing.Count == 0;

    public IReadOnlyCollection<int> Missing => missing;

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
}
