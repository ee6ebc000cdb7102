using System.Numerics;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Collectives;

namespace CnnCluster.Bench.Scale.Model;

/// <summary>A way to sum a buffer over all ranks.</summary>
/// <param name="Name">As the page has it.</param>
/// <param name="IsHere">Whether runs have it.</param>
/// <param name="Exact">What it takes, of the ranks' number (from 2), the buffer's bytes, and whether the ranks share no memory.</param>
internal sealed record Algorithm(string Name, bool IsHere, Func<int, double, bool, Work> Exact)
{
    /// <summary>Everyone sends everyone all it has: one message in a row, (N−1)·n bytes.</summary>
    public static Algorithm Whole { get; } = new("whole", true, static (ranks, bytes, network) => new Work(
        1, (ranks - 1) * MessagesOf(bytes, network, ranks), (ranks - 1) * bytes, (ranks - 1) * bytes));

    /// <summary>Everyone sends everyone its chunk and gets the sums back: two messages in a row, 2·(N−1)/N·n bytes.</summary>
    public static Algorithm Chunks { get; } = new("chunks", true, static (ranks, bytes, network) => new Work(
        2, 2 * (ranks - 1) * MessagesOf(bytes / ranks, network, ranks), 2 * Part(ranks) * bytes, Part(ranks) * bytes));

    /// <summary>Patarasuk and Yuan, J. Parallel Distrib. Comput. 69(2), 2009: as few bytes as can be, 2·(N−1) messages in a row.</summary>
    public static Algorithm Ring { get; } = new("ring", false, static (ranks, bytes, network) => new Work(
        2 * (ranks - 1), 2 * (ranks - 1) * MessagesOf(bytes / ranks, network), 2 * Part(ranks) * bytes, Part(ranks) * bytes));

    /// <summary>Rabenseifner, ICCS 2004: reduce-scatter by halves, then all-gather by doubles; 2·log₂ N messages in a row.</summary>
    public static Algorithm Halving { get; } = new("halving", false, static (ranks, bytes, network) => Folded(ranks, bytes, network, (power, steps) => new Work(
        2 * steps,
        Enumerable.Range(1, steps).Sum(step => 2 * MessagesOf(bytes / Math.Pow(2, step), network)),
        2 * Part(power) * bytes,
        Part(power) * bytes)));

    /// <summary>
    /// Recursive doubling (Thakur et al. 2005): everything, log₂ N times in a row. Of a number that is no power of two, the
    /// ranks of the shorter side of a branch tell several of the longer one.
    /// </summary>
    public static Algorithm Doubling { get; } = new("doubling", true, static (ranks, bytes, network) => new Work(
        Steps(ranks), Told(ranks) * MessagesOf(bytes, network, ranks), Told(ranks) * bytes, Steps(ranks) * bytes));

    public static IReadOnlyList<Algorithm> All { get; } = [Whole, Chunks, Doubling, Halving, Ring];

    /// <summary>What runs do today.</summary>
    /// <param name="ranks">How many.</param>
    /// <param name="bytes">Of the buffer, as float32.</param>
    /// <param name="rounded">Whether 16 bits of each number travel.</param>
    /// <param name="network">Whether the ranks share no memory.</param>
    public static Algorithm OfRuns(int ranks, double bytes, bool rounded, bool network) =>
        rounded || bytes > MeshCollective.LongestWhole(ranks, network) ? Chunks
        : ranks >= MeshCollective.LeastDoubling ? Doubling
        : Whole;

    /// <param name="ranks">At least 1; one rank has nothing to do.</param>
    /// <param name="bytes">Of the buffer, as float32.</param>
    /// <param name="network">Whether the ranks share no memory.</param>
    /// <param name="rounded">Whether 16 bits of each number travel; they are summed as float32.</param>
    public Work Of(int ranks, double bytes, bool network, bool rounded = false)
    {
        if (ranks == 1) return default;
        if (!rounded) return Exact(ranks, bytes, network);
        var half = Exact(ranks, bytes / 2, network);
        return half with { Summed = 2 * half.Summed, Rounded = bytes };
    }

    /// <summary>(N−1)/N.</summary>
    private static double Part(int ranks) => (ranks - 1.0) / ranks;

    /// <summary>
    /// How many messages a stretch makes for each of the other ranks; between two ranks where no number is said.
    /// </summary>
    private static double MessagesOf(double bytes, bool network, int ranks = 2) =>
        Math.Max(1, Math.Ceiling(bytes / Blocks.Bytes(new WorldSize(ranks), network)));

    private static int Steps(int ranks) => BitOperations.Log2((uint)ranks - 1) + 1;

    /// <summary>How many others the rank that tells most of them tells its sums; each branch's first side is the longer one.</summary>
    private static int Told(int ranks)
    {
        if (ranks == 1) return 0;
        var first = SumTree.FirstBranch(ranks);
        var second = ranks - first;
        return Math.Max(1 + Told(first), ((first + second - 1) / second) + Told(second));
    }

    /// <summary>
    /// Of a number that is no power of two, the surplus ranks hand their buffers to others first, and get the sums at the end.
    /// </summary>
    private static Work Folded(int ranks, double bytes, bool network, Func<int, int, Work> ofPower)
    {
        var steps = (int)Math.Log2(ranks);
        var power = 1 << steps;
        var work = ofPower(power, steps);
        return power == ranks
            ? work
            : work with
            {
                Rounds = work.Rounds + 2,
                Messages = work.Messages + (2 * MessagesOf(bytes, network)),
                Sent = work.Sent + (2 * bytes),
                Summed = work.Summed + bytes,
            };
    }
}
