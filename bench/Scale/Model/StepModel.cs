namespace CnnCluster.Bench.Scale.Model;

/// <summary>How long an all-reduce of so many bytes takes, with 16 bits on the wire or not.</summary>
internal delegate LinkTime ReductionTime(double bytes, bool rounded);

/// <summary>A step's time, and what it is made of.</summary>
/// <param name="Computing">Seconds of one worker's share.</param>
/// <param name="Waiting">For the slowest of all workers.</param>
/// <param name="Communication">Of gradients and statistics.</param>
/// <param name="Hidden">What of it can go on during the backward pass.</param>
internal sealed record StepTime(double Computing, double Waiting, LinkTime Communication, double Hidden)
{
    /// <summary>With nothing hidden.</summary>
    public double Total => Computing + Waiting + Communication.Seconds;

    /// <summary>With all hidden that can be.</summary>
    public double Overlapped => Total - Hidden;
}

/// <summary>A network's step.</summary>
/// <param name="Shape">What it reduces.</param>
/// <param name="Computing">What a share takes.</param>
/// <param name="Jitter">How unequal steps are.</param>
internal sealed record StepModel(NetworkShape Shape, ComputingTime Computing, Jitter Jitter)
{
    /// <summary>A backward pass has two products where the forward pass has one.</summary>
    private const double BackwardShare = 2.0 / 3;

    /// <summary>Of a bucket, at least, as runs have it between hosts (ADR 21).</summary>
    private const double BucketBytes = 4 << 20;

    /// <summary>Two sums of two doubles a channel.</summary>
    private const int StatisticsBytes = 2 * sizeof(double);

    /// <summary>Whether an accelerator computes, so that the host's processor is free for the sums.</summary>
    public bool IsAccelerated { get; init; }

    public double GradientBytes => Shape.Parameters * sizeof(float);

    /// <param name="samples">Of one worker.</param>
    /// <param name="workers">How many.</param>
    /// <param name="reduce">How they sum.</param>
    /// <param name="rounded">Whether gradients travel in 16 bits; statistics never do.</param>
    public StepTime Step(double samples, int workers, ReductionTime reduce, bool rounded)
    {
        var computing = Computing.Of(samples);
        var gradients = reduce(GradientBytes, rounded);
        var all = Shape.Statistics
            .SelectMany(static channels => Enumerable.Repeat(channels, 2))
            .Aggregate(gradients, (sum, channels) => sum + reduce(channels * StatisticsBytes, false));
        return new StepTime(computing, computing * Jitter.Excess(workers), all, Hidden(gradients, computing));
    }

    /// <summary>
    /// While a worker computes, the wire and the waiting for it may go on; its own part of the sums may not where it takes the
    /// same core. The last bucket is left over.
    /// </summary>
    private double Hidden(LinkTime gradients, double computing)
    {
        var buckets = Math.Max(1, Math.Floor(GradientBytes / BucketBytes));
        var free = gradients.Seconds - (IsAccelerated ? 0 : gradients.Processor);
        return Math.Min(free * (1 - (1 / buckets)), BackwardShare * computing);
    }
}
