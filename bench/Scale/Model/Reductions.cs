namespace CnnCluster.Bench.Scale.Model;

/// <summary>How long an all-reduce takes, and by which algorithm.</summary>
internal static class Reductions
{
    /// <summary>As runs do it today, with one worker on each host.</summary>
    public static LinkTime OfRuns(Link link, int ranks, double bytes, bool rounded) =>
        link.Time(Algorithm.OfRuns(ranks, bytes, rounded, link.IsNetwork).Of(ranks, bytes, link.IsNetwork, rounded));

    /// <summary>By the fastest algorithm; of equals, the first of <see cref="Algorithm.All"/>.</summary>
    public static (Algorithm Algorithm, LinkTime Time) Best(Link link, int ranks, double bytes, bool rounded = false) => Algorithm.All
        .Select(algorithm => (Algorithm: algorithm, Time: link.Time(algorithm.Of(ranks, bytes, link.IsNetwork, rounded))))
        .MinBy(static candidate => candidate.Time.Seconds);

    /// <summary>Every worker with every other one, those of a host sharing its network.</summary>
    public static LinkTime Flat(Link between, int hosts, int workers, double bytes, bool rounded)
    {
        var ranks = hosts * workers;
        var toOtherHosts = ranks == 1 ? 0 : (double)(ranks - workers) / (ranks - 1);
        return between.Time(Algorithm.OfRuns(ranks, bytes, rounded, between.IsNetwork).Of(ranks, bytes, between.IsNetwork, rounded), workers * toOtherHosts);
    }

    /// <summary>Within each host, then between the hosts' first workers, then within each host again.</summary>
    public static LinkTime ByHosts(Link within, Link between, int hosts, int workers, double bytes, bool rounded) =>
        OfRuns(within, workers, bytes, rounded: false) + OfRuns(between, hosts, bytes, rounded) + within.Time(HandedOn(workers, bytes, within.IsNetwork));

    /// <summary>One worker sends the sum to the others of its host.</summary>
    private static Work HandedOn(int workers, double bytes, bool network) =>
        workers == 1 ? default : Algorithm.Whole.Of(workers, bytes, network) with { Summed = 0 };
}
