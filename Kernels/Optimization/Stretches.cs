using CnnCluster.Kernels.Arena;

namespace CnnCluster.Kernels.Optimization;

/// <summary>Cuts an arena into stretches.</summary>
public static class Stretches
{
    /// <summary>The most elements of a stretch: what a sum of squares adds up before the next partial sum.</summary>
    public const int Block = 1 << 16;

    /// <summary>The arena's stretches, in order, with the regularizers of its segments; no stretch has two different ones.</summary>
    /// <param name="segments">The arena's segments; empty ones have no stretch.</param>
    /// <param name="apart">No stretch lies in two segments.</param>
    public static Stretch[] Of(IReadOnlyList<ArenaSegment> segments, bool apart)
    {
        var stretches = new List<Stretch>();
        var start = 0L;
        for (var i = 0; i < segments.Count;)
        {
            var (first, length) = (i, segments[i].Length);
            for (i++; i < segments.Count && !apart && Alike(segments[i], segments[first]); i++)
            {
                length += segments[i].Length;
            }

            Cut(stretches, start, length, first, segments[first]);
            start += length;
        }

        return [.. stretches];
    }

    /// <summary>Where the stretches of each segment are, for stretches that are kept apart.</summary>
    internal static SegmentRanges SegmentsOf(ReadOnlySpan<Stretch> stretches) => new(stretches);

    private static bool Alike(ArenaSegment a, ArenaSegment b) => a.L1.Equals(b.L1) && a.L2.Equals(b.L2);

    private static void Cut(List<Stretch> stretches, long start, long length, int segment, ArenaSegment regularizers)
    {
        var adjustment = GradientAdjustment.None with { L1 = regularizers.L1, L2 = regularizers.L2 };
        for (var done = 0L; done < length; done += Block)
        {
            stretches.Add(new Stretch(start + done, (int)Math.Min(Block, length - done), segment, adjustment));
        }
    }
}

/// <summary>Goes through stretches segment by segment, and allocates nothing.</summary>
internal ref struct SegmentRanges(ReadOnlySpan<Stretch> stretches)
{
    private readonly ReadOnlySpan<Stretch> stretches = stretches;

    /// <summary>The stretches of the segment in hand.</summary>
    public Range Current { get; private set; }

    public readonly SegmentRanges GetEnumerator() => this;

    public bool MoveNext()
    {
        var (start, end) = (Current.End.Value, Current.End.Value);
        while (end < stretches.Length && stretches[end].Segment == stretches[start].Segment)
        {
            end++;
        }

        Current = start..end;
        return end > start;
    }
}
