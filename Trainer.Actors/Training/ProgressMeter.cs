using System.Diagnostics;

namespace CnnCluster.Trainer.Training;

/// <summary>Counts samples and says, no more often than the interval, how many there were per second.</summary>
public sealed class ProgressMeter(TimeSpan interval)
{
    private readonly Stopwatch clock = Stopwatch.StartNew();
    private long samples;

    /// <summary>Counts a step's samples; returns samples per second since the last report when one is due, else null.</summary>
    public double? Count(long stepSamples)
    {
        samples += stepSamples;
        if (clock.Elapsed < interval)
        {
            return null;
        }

        var rate = samples / clock.Elapsed.TotalSeconds;
        samples = 0;
        clock.Restart();
        return rate;
    }
}
