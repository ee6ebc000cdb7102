namespace CnnCluster.Kernels.Collectives;

/// <summary>Which leaves of a sum each rank holds: the same on every rank.</summary>
internal sealed class LeafDeal
{
    private LeafDeal(IReadOnlyList<LeafRange> ranges, int leaves)
    {
        Ranges = ranges;
        Leaves = leaves;
        var rows = ranges.Select(range => SumTree.Nodes(range, leaves)).ToList();
        Rows = [.. rows.Select(static r => r.Count)];
        Nodes = [.. rows.SelectMany(static r => r)];
        MostRows = Rows.Max();
    }

    /// <summary>Each rank's leaves.</summary>
    public IReadOnlyList<LeafRange> Ranges { get; }

    public int Leaves { get; }

    /// <summary>All ranks' nodes, in the leaves' order.</summary>
    public IReadOnlyList<LeafRange> Nodes { get; }

    /// <summary>How many of them are each rank's.</summary>
    public IReadOnlyList<int> Rows { get; }

    /// <summary>The most that one rank has.</summary>
    public int MostRows { get; }

    /// <summary>Whether each rank holds one leaf.</summary>
    public bool IsOneEach => Leaves == Rows.Count && Nodes.Count == Leaves && MostRows == 1;

    /// <summary>One leaf for each rank.</summary>
    public static LeafDeal OneEach(WorldSize world) =>
        new([.. world.Ranks.Select(static rank => new LeafRange(rank.Value, rank.Value + 1))], world.Value);

    /// <summary>The deal in which ranks hold these leaves.</summary>
    /// <exception cref="CollectiveException">They are not all leaves of one tree in rank order.</exception>
    public static LeafDeal Of(IReadOnlyList<LeafRange> ranges, IReadOnlyList<int> leaves)
    {
        var due = 0;
        foreach (var range in ranges)
        {
            if (range.From != due || range.To < due) throw Mistaken(ranges, leaves);
            due = range.To;
        }

        if (due == 0 || leaves.Any(count => count != due)) throw Mistaken(ranges, leaves);
        return new LeafDeal(ranges, due);
    }

    private static CollectiveException Mistaken(IReadOnlyList<LeafRange> ranges, IReadOnlyList<int> leaves) => new(
        "the ranks do not hold the leaves of one tree in rank order: "
        + string.Join(", ", ranges.Zip(leaves, static (range, count) => $"{range} of {count}")));
}
