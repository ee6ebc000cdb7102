using System.Globalization;
using CnnCluster.Kernels;
using static TorchSharp.torch;

namespace CnnCluster.Bench.Sides;

/// <summary>Two workers of one host that share every batch.</summary>
internal static class PairLoop
{
    /// <summary>Images per second of training steps, both workers' together.</summary>
    /// <param name="means">How the two are joined.</param>
    /// <param name="network">One of <c>bench/networks</c>.</param>
    /// <param name="batch">Samples of the whole batch.</param>
    /// <param name="samples">The folder of the samples.</param>
    /// <param name="seconds">How long it is counted.</param>
    public static double RateOfSteps(Means means, string network, int batch, string samples, double seconds) => TwoRanks.Measure(
        means,
        [SecondRankCommand.Train, network, batch.ToString(CultureInfo.InvariantCulture), samples],
        collective =>
        {
            using var loop = Loop(collective, network, batch, samples);
            return loop.RateOfSteps(new StepMeter(seconds));
        },
        collective => Follow(collective, network, batch, samples));

    /// <summary>Images per second of two workers at the same time, each with batches of its own: both workers' together.</summary>
    /// <param name="means">Threads of this process, or two processes.</param>
    /// <param name="network">One of <c>bench/networks</c>.</param>
    /// <param name="batch">Samples of each worker's batch.</param>
    /// <param name="samples">The folder of the samples.</param>
    /// <param name="seconds">How long it is counted.</param>
    public static double RateApart(Means means, string network, int batch, string samples, double seconds) => TwoRanks.Measure(
        means,
        [
            SecondRankCommand.Apart, network, batch.ToString(CultureInfo.InvariantCulture), samples,
            seconds.ToString(CultureInfo.InvariantCulture),
        ],
        collective => RateApart(collective, network, batch, samples, seconds),
        collective => RateApart(collective, network, batch, samples, seconds));

    /// <summary>The same as one of the two, which begin together and tell each other their rates.</summary>
    public static double RateApart(ICollective collective, string network, int batch, string samples, double seconds)
    {
        using var loop = new CnnLoop(network, batch, SampleFiles.Read(samples));
        collective.Barrier();
        using var rate = tensor(new[] { loop.RateOfSteps(new StepMeter(seconds)) });
        collective.AllReduceSum(rate);
        return rate.item<double>();
    }

    /// <summary>The second worker's part.</summary>
    public static void Follow(ICollective collective, string network, int batch, string samples)
    {
        using var loop = Loop(collective, network, batch, samples);
        loop.Follow();
    }

    private static CnnLoop Loop(ICollective collective, string network, int batch, string samples) =>
        new(network, batch, SampleFiles.Read(samples), collective: collective);
}
