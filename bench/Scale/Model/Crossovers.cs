namespace CnnCluster.Bench.Scale.Model;

/// <summary>Up to which size an algorithm is the fastest.</summary>
internal sealed record AlgorithmRange(Algorithm Algorithm, double UpTo);

/// <summary>Which sizes are best summed how. Sizes are powers of two, from 64 bytes to 1 GiB.</summary>
internal static class Crossovers
{
    private const int First = 6;
    private const int Last = 30;

    private static IEnumerable<double> Sizes => Enumerable.Range(First, Last - First + 1).Select(static power => Math.Pow(2, power));

    /// <summary>The fastest algorithms by size, one range behind the other; the last has no end.</summary>
    public static IReadOnlyList<AlgorithmRange> Ranges(Link link, int ranks)
    {
        var ranges = new List<AlgorithmRange>();
        foreach (var size in Sizes)
        {
            var best = Reductions.Best(link, ranks, size).Algorithm;
            if (ranges.Count > 0 && ranges[^1].Algorithm == best) ranges.RemoveAt(ranges.Count - 1);
            ranges.Add(new AlgorithmRange(best, size));
        }

        ranges[^1] = ranges[^1] with { UpTo = double.PositiveInfinity };
        return ranges;
    }

    /// <summary>Up to which size it is faster to send everything to everyone than in chunks; 0 where it never is.</summary>
    public static double WholeLimit(Link link, int ranks)
    {
        var sizes = Sizes.TakeWhile(size => Seconds(Algorithm.Whole, size) <= Seconds(Algorithm.Chunks, size)).ToList();
        return sizes.Count == 0 ? 0 : sizes.Count == Last - First + 1 ? double.PositiveInfinity : sizes[^1];

        double Seconds(Algorithm algorithm, double size) => link.Time(algorithm.Of(ranks, size, link.IsNetwork)).Seconds;
    }

    /// <summary>From which size on 16 bits on the wire are faster as runs sum; infinite where they never are.</summary>
    public static double RoundingPaysFrom(Link link, int ranks)
    {
        var pays = double.PositiveInfinity;
        foreach (var size in Sizes.Reverse())
        {
            if (Reductions.OfRuns(link, ranks, size, rounded: true).Seconds >= Reductions.OfRuns(link, ranks, size, rounded: false).Seconds) break;
            pays = size;
        }

        return pays;
    }
}
