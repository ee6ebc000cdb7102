using CnnCluster.Dsl;
using CnnCluster.Kernels.Arena;

namespace CnnCluster.Trainer.Training.Gradients;

/// <summary>A stretch of the arena's gradients that is reduced as a whole, as soon as backward has completed it.</summary>
/// <param name="Mark">The place in the network that backward has come to then; <see cref="AtEnd"/> for its end.</param>
/// <param name="Start">Elements before it.</param>
/// <param name="Length">Its elements.</param>
internal readonly record struct GradientBucket(int Mark, long Start, long Length)
{
    public const int AtEnd = -1;

    /// <summary>
    /// Bytes of a bucket, at least: what a connection of 10 Gbit/s carries in 3 ms, some ten times what a sum of two numbers
    /// takes between hosts, so that many of them cost no more than one.
    /// </summary>
    public const long LeastBytes = 4 << 20;

    /// <summary>
    /// All gradients in the order in which backward completes them: the last layers' first. Where peers share a host there is
    /// one alone: its cores have no time to spare for sums while they compute.
    /// </summary>
    /// <param name="module">Knows what is complete where.</param>
    /// <param name="arena">The gradients.</param>
    /// <param name="leastBytes">Each has at least so many, but for the last.</param>
    public static IReadOnlyList<GradientBucket> Of(NetworkModule module, ParameterArena arena, long leastBytes = LeastBytes)
    {
        var starts = Starts(arena.Segments);
        var least = (leastBytes + arena.Gradients.ElementSize - 1) / arena.Gradients.ElementSize;
        var buckets = new List<GradientBucket>();
        var end = starts[^1];
        foreach (var (place, first) in module.Boundaries.Reverse())
        {
            if (end - starts[first] < least || starts[first] == 0) continue;
            buckets.Add(new GradientBucket(place, starts[first], end - starts[first]));
            end = starts[first];
        }

        return [.. buckets, new GradientBucket(AtEnd, 0, end)];
    }

    /// <summary>Elements before each segment, and before the end.</summary>
    private static long[] Starts(IReadOnlyList<ArenaSegment> segments)
    {
        var starts = new long[segments.Count + 1];
        foreach (var (i, segment) in segments.Index())
        {
            starts[i + 1] = starts[i] + segment.Length;
        }

        return starts;
    }
}
