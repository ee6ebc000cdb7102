namespace CnnCluster.Kernels.Collectives;

/// <summary>How a buffer is dealt out: rank r sums and hands on chunk r. Chunks differ by one element at most.</summary>
public static class Chunks
{
    /// <summary>A rank's chunk of a buffer of <paramref name="length"/> elements; the first chunks are the longer ones.</summary>
    public static (int Start, int Length) Of(int rank, int world, int length)
    {
        var (size, longer) = (length / world, length % world);
        return ((rank * size) + Math.Min(rank, longer), size + (rank < longer ? 1 : 0));
    }
}
