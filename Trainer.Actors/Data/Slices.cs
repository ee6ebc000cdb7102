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
}
