using System.Text;
using CnnCluster.Bench.Scale.Model;
using CnnCluster.Kernels.Collectives;
using static CnnCluster.Bench.Scale.Report.ScaleText;

namespace CnnCluster.Bench.Scale.Report;

/// <summary>Which algorithm to use where, beside the rule that runs have.</summary>
internal static class AlgorithmPart
{
    private const int OfHost = 8;
    private static readonly IReadOnlyList<int> Workers = [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

    private static readonly IReadOnlyList<int> HostNumbers = [2, 8, 32, 128];

    /// <summary>The bytes of LeNet-5's gradients, of 2²⁰ parameters and of ResNet-50's.</summary>
    private static readonly IReadOnlyList<(string Name, double Bytes)> Buffers = [("0.25 MB", 4 * 61_706), ("4.2 MB", 4 << 20), ("102 MB", 4 * 25_557_032)];

    public static string Markdown(ScaleModel model)
    {
        IReadOnlyList<Link> links = [model.Within, .. model.Between];
        var text = new StringBuilder("\n### The fastest by size\n\nUp to which size; the last has no end.\n");
        text.Append(ByWorkers(links, static (link, workers) => string.Join(", ", Crossovers.Ranges(link, workers).Select(Range))));
        text.Append($"\n### Whole or in chunks\n\nUp to which size whole buffers are faster than chunks; runs' rule is {Rule()}.\n");
        text.Append(ByWorkers(links, static (link, workers) => Limit(Crossovers.WholeLimit(link, workers))));
        text.Append("\nWhat the rule costs: how many times longer than the fastest of those that runs have, at the size where that is worst.\n");
        text.Append(ByWorkers(links, static (link, workers) => Factor(WorstOfRule(link, workers))));
        text.Append("\n### From which size 16 bits are faster\n\nAs runs sum, with the rounding's own time:\n");
        text.Append(ByWorkers(model.Between, static (link, workers) => From(Crossovers.RoundingPaysFrom(link, workers))));
        return text.Append(Hosts(model)).Append('\n').ToString();
    }

    private static string Rule() =>
        $"{Bytes(MeshCollective.LongestWhole(3, spansHosts: true))}, and between two workers {Bytes(MeshCollective.LongestWhole(2, spansHosts: true))} over a network and always on one host. "
        + $"From {MeshCollective.LeastDoubling} workers on, what is no longer than {Bytes(MeshCollective.LongestWhole(MeshCollective.LeastDoubling, spansHosts: true) / MeshCollective.LeastDoubling)} for each of them goes by doubling";

    private static string ByWorkers(IReadOnlyList<Link> links, Func<Link, int, string> cell) => Table(
        ["workers", .. links.Select(static link => link.Name)],
        Workers.Select(workers => (IReadOnlyList<string>)[Number(workers), .. links.Select(link => cell(link, workers))]));

    private static string Range(AlgorithmRange range) =>
        double.IsFinite(range.UpTo) ? $"{range.Algorithm.Name} {Bytes(range.UpTo)}" : range.Algorithm.Name;

    private static string Limit(double bytes) => bytes.Equals(0) ? "never" : double.IsFinite(bytes) ? Bytes(bytes) : "always";

    private static string From(double bytes) => double.IsFinite(bytes) ? Bytes(bytes) : "never";

    private static double WorstOfRule(Link link, int workers) => Enumerable.Range(6, 25).Select(static power => Math.Pow(2, power)).Max(size =>
        Reductions.OfRuns(link, workers, size, rounded: false).Seconds
        / Algorithm.All.Where(static algorithm => algorithm.IsHere).Min(algorithm => link.Time(algorithm.Of(workers, size, link.IsNetwork)).Seconds));

    private static string Hosts(ScaleModel model) =>
        $"\n### Hosts of {OfHost} workers\n\nAn all-reduce of every worker with every other, and by hosts:\n" + Table(
            ["workers, buffer", .. model.Between.Select(static link => link.Name)],
            from hosts in HostNumbers
            from buffer in Buffers
            select (IReadOnlyList<string>)
            [
                $"{hosts * OfHost}, {buffer.Name}",
                .. model.Between.Select(link =>
                    $"{Time(Reductions.Flat(link, hosts, OfHost, buffer.Bytes, rounded: false).Seconds)}, {Time(Reductions.ByHosts(model.Within, link, hosts, OfHost, buffer.Bytes, rounded: false).Seconds)}"),
            ]);
}
