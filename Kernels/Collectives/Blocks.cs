namespace CnnCluster.Kernels.Collectives;

/// <summary>How a buffer travels in blocks, so that sending, summing and receiving overlap.</summary>
internal static class Blocks
{
    /// <summary>
    /// A block that the caches keep while it is copied and summed, and that is long beside what waiting for it costs where
    /// ranks have to share cores.
    /// </summary>
    private const int Most = 512 * 1024;

    /// <summary>The same through memory that all have: what one rank has just summed, or put into a slot, another reads from its cache.</summary>
    private const int MostInMemory = 128 * 1024;

    /// <summary>What the blocks on the way to all other ranks may take up together.</summary>
    private const int Together = 1024 * 1024;

    /// <summary>The greatest block in bytes: the same on every rank, a power of two.</summary>
    /// <param name="world">How many ranks send each other blocks.</param>
    /// <param name="spansHosts">Whether some of them reach each other over a network alone.</param>
    public static int Bytes(WorldSize world, bool spansHosts)
    {
        var bytes = spansHosts ? Most : MostInMemory;
        while (bytes > 1024 && bytes * (world.Value - 1) > Together)
        {
            bytes /= 2;
        }

        return bytes;
    }

    /// <summary>How many blocks a length makes; at least one, so that ranks that differ notice.</summary>
    public static int Count(int length, int block) => Math.Max(1, (length + block - 1) / block);

    /// <summary>The stretch of a length that block <paramref name="index"/> covers; nothing behind the last.</summary>
    public static (int Start, int Length) Of(int index, int block, int length)
    {
        var start = (int)Math.Min((long)index * block, length);
        return (start, Math.Min(block, length - start));
    }
}
