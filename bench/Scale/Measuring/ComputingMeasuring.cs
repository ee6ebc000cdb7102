using CnnCluster.Bench.Scale.Model;
using CnnCluster.Bench.Sides;
using CnnCluster.Trainer.Data;

namespace CnnCluster.Bench.Scale.Measuring;

/// <summary>Measures the steps of one worker, of several numbers of samples.</summary>
internal static class ComputingMeasuring
{
    private const double Seconds = 2;
    private const double QuickSeconds = 0.2;

    /// <summary>Of how many steps the slowest is asked for.</summary>
    private static readonly IReadOnlyList<int> SlowestOfSteps = [2, 4, 8, 16];

    /// <summary>How many must have been measured for it.</summary>
    private const int SpreadSteps = 32;

    public static IReadOnlyList<ComputingPoint> Run(string network, int most, bool quick)
    {
        var data = Samples(network, 4 * most);
        return [.. Schedule.Samples(most, quick).Select(samples =>
        {
            using var loop = new CnnLoop(network, samples, data);
            return Point(network, samples, loop.StepSeconds(samples, Meter(samples, quick)));
        })];
    }

    /// <summary>Of one sample there are always enough steps to say how unequal they are.</summary>
    private static StepMeter Meter(int samples, bool quick) =>
        new(quick ? QuickSeconds : Seconds, samples == 1 ? SpreadSteps + 1 : 3);

    /// <summary>Noise of the network's shape, and at least a thousand of it.</summary>
    public static DataSet Samples(string network, int count) => SampleFiles.Noise(
        Math.Max(1024, count), 16, network == "lenet5" ? new SampleShape(1, 28, 28) : new SampleShape(3, 32, 32), seed: 1);

    private static ComputingPoint Point(string network, int samples, IReadOnlyList<double> seconds)
    {
        var slowest = seconds.Count >= SpreadSteps ? SlowestOfSteps : [];
        return new ComputingPoint(
            network, samples, seconds.Count, seconds.Average(), [.. slowest.Select(steps => new SlowestOf(steps, Jitter.MeanOfSlowest(seconds, steps)))]);
    }
}
