namespace CnnCluster.Bench.Scale;

/// <summary>What is measured, and what of it the model may not see.</summary>
internal static class Schedule
{
    /// <summary>Workers, in worlds that are fitted and one that is not.</summary>
    public static IReadOnlyList<int> Worlds { get; } = [2, 3, 4, HeldOutWorld];

    public const int HeldOutWorld = 6;

    /// <summary>Ranks of two hosts together.</summary>
    public const int RanksOfHosts = 4;

    /// <summary>Bytes of a buffer, fitted: 1 KiB to 64 MiB.</summary>
    private static readonly IReadOnlyList<long> Sizes = [.. Enumerable.Range(0, 9).Select(static i => 1L << (10 + (2 * i)))];

    /// <summary>Bytes of a buffer, held out.</summary>
    private static readonly IReadOnlyList<long> HeldOutSizes = [2L << 10, 32L << 10, 512L << 10, 8L << 20];

    /// <summary>What is enough for the other operations.</summary>
    private static readonly IReadOnlyList<long> FewSizes = [Sizes[0], Sizes[3], Sizes[5], Sizes[7]];

    /// <summary>Samples of a step that are held out: none of them a power of two.</summary>
    private static readonly IReadOnlyList<int> HeldOutSamples = [3, 12, 48, 192];

    public static bool IsHeldOut(LinkPoint point) => point.World == HeldOutWorld || HeldOutSizes.Contains(point.Bytes);

    public static bool IsHeldOut(ComputingPoint point) => HeldOutSamples.Contains(point.Samples);

    /// <summary>The worlds of a kind of link.</summary>
    public static IEnumerable<int> WorldsOf(LinkKind link, bool quick) =>
        link == LinkKind.Hosts ? [RanksOfHosts] : quick ? Worlds.Where(static world => world != 4) : Worlds;

    /// <summary>What ranks of a kind of link do; hosts are held against sums alone.</summary>
    public static IEnumerable<(MeasuredOperation Operation, long Bytes)> OperationsOf(LinkKind link, bool quick) =>
        Operations(quick).Where(point => link != LinkKind.Hosts || point.Operation == MeasuredOperation.AllReduce);

    /// <param name="quick">A few, to see that all runs.</param>
    public static IEnumerable<(MeasuredOperation Operation, long Bytes)> Operations(bool quick)
    {
        IReadOnlyList<long> few = quick ? [FewSizes[0], FewSizes[2]] : FewSizes;
        IReadOnlyList<long> many = quick ? [.. few, HeldOutSizes[1]] : [.. Sizes, .. HeldOutSizes];
        return
        [
            (MeasuredOperation.Barrier, 0),
            .. many.Select(static bytes => (MeasuredOperation.AllReduce, bytes)),
            .. few.Select(static bytes => (MeasuredOperation.Rounded, bytes)),
            .. few.Select(static bytes => (MeasuredOperation.ReduceScatter, bytes)),
            .. few.Select(static bytes => (MeasuredOperation.AllGather, bytes)),
        ];
    }

    /// <summary>The networks that are trained here, and the most samples that a worker has.</summary>
    public static IReadOnlyList<(string Network, int MostSamples)> Networks { get; } = [("lenet5", 512), ("vgg", 128), ("resnet18", 32)];

    /// <summary>How many samples a worker has in turn.</summary>
    public static IEnumerable<int> Samples(int most, bool quick) => quick
        ? [1, 3, 16]
        : [.. Enumerable.Range(0, 10).Select(static i => 1 << i).Where(samples => samples <= most), .. HeldOutSamples.Where(samples => samples < most)];

    /// <summary>Steps of two workers that the model is held against.</summary>
    public static IReadOnlyList<(string Network, int Samples)> Pairs { get; } = [("lenet5", 64), ("lenet5", 512), ("vgg", 64), ("resnet18", 32)];
}
