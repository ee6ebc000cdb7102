namespace CnnCluster.Trainer.Data;

/// <summary>How a global batch is dealt out to the ranks.</summary>
public static class Slices
{
    /// <summary>
    /// The contiguous slice of one rank, which may be empty. Slices differ by one sample at most, the longer ones
    /// first: 32 samples over 3 ranks are 11, 11 and 10.
    /// </summary>
    /// <param name="samples">Samples of the global batch, at least 0.</param>
    /// <param name="rank">From 0 to world − 1.</param>
    /// <param name="world">Number of ranks, at least 1.</param>
    public static (int Start, int Count) Of(int samples, int rank, int world)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(samples);
        ArgumentOutOfRangeException.ThrowIfNegative(rank);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(rank, world);
        var (least, longer) = Math.DivRem(samples, world);
        return ((rank * least) + Math.Min(rank, longer), least + (rank < longer ? 1 : 0));
    }

    /// <summary>The same where the ranks have parts of unlike size: 32 samples over shares of 2, 1 and 1 are 16, 8 and 8.</summary>
    /// <param name="samples">Samples of the global batch, at least 0.</param>
    /// <param name="rank">From 0.</param>
    /// <param name="shares">Each rank's part beside the others', at least 1.</param>
    public static (int Start, int Count) Of(int samples, int rank, IReadOnlyList<int> shares)
    {
        if (shares.All(share => share == shares[0])) return Of(samples, rank, shares.Count);
        var whole = shares.Sum(static share => (long)share);
        var before = shares.Take(rank).Sum(static share => (long)share);
        var start = Cut(before);
        return (start, Cut(before + shares[rank]) - start);

        int Cut(long upTo) => (int)(((samples * upTo) + whole - 1) / whole);
    }
}
