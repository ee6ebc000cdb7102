using System.Diagnostics;
using System.Globalization;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Arena;
using static TorchSharp.torch;

namespace CnnCluster.Bench.Sides;

/// <summary>Seconds of an all-reduce between two workers, as <c>pytorch_peer.py</c> counts them too.</summary>
internal static class ReductionLoop
{
    private const int WarmUp = 20;
    private const int LeastRounds = 5;

    /// <summary>Measures as the first worker; the second one is a thread, or a process that this one starts.</summary>
    public static double Measure(Means means, int elements, double seconds) => TwoRanks.Measure(
        means,
        [SecondRankCommand.Reduce, elements.ToString(CultureInfo.InvariantCulture)],
        collective => Rounds(collective, elements, seconds),
        collective => Rounds(collective, elements, seconds));

    /// <summary>Warms up, then sums as often as fits into the time, which the first worker reckons for both.</summary>
    public static double Rounds(ICollective collective, int elements, double seconds)
    {
        // As gradients have it in training.
        using var memory = new FlatBuffer([new ArenaSegment("all", [elements])], ScalarType.Float32, CPU, movable: true);
        var buffer = memory.Whole;
        collective.Adopt(memory);
        buffer.fill_(Scalars.Of(1));
        var estimate = Time(collective, buffer, WarmUp);
        using var rounds = tensor(new[] { Math.Max(LeastRounds, Math.Ceiling(seconds / estimate)) });
        collective.Broadcast(rounds, new Rank(0));
        buffer.fill_(Scalars.Of(1));
        return Time(collective, buffer, (int)rounds.item<double>());
    }

    private static double Time(ICollective collective, Tensor buffer, int rounds)
    {
        collective.Barrier();
        var started = Stopwatch.GetTimestamp();
        for (var round = 0; round < rounds; round++)
        {
            collective.AllReduceSum(buffer);
        }

        return Stopwatch.GetElapsedTime(started).TotalSeconds / rounds;
    }
}
