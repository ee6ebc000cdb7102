namespace CnnCluster.Trainer.Coordination;

/// <summary>Which worker holds the others up.</summary>
public static class StragglerRule
{
    /// <summary>How much longer than the others' its own work in a step must take.</summary>
    public const double Factor = 1.25;

    /// <summary>Steps that one epoch must have timed; with fewer, as on first ones caches and code are still warming up, two epochs in a row must agree.</summary>
    public const long EnoughSteps = 100;

    /// <summary>
    /// Of an epoch's times, the workers whose own work in a step took more than 1.25 times the median of the others', and in
    /// exact mode for each of its shards too: that some have one more than others is nobody's slowness.
    /// </summary>
    /// <returns>Each with that median, in seconds; none where fewer than two workers were timed.</returns>
    public static IReadOnlyList<(WorkerTimes Slow, double OthersSeconds)> Find(IReadOnlyList<WorkerTimes> times) =>
    [
        .. from slow in times
           let others = times.Where(other => other != slow).ToList()
           where others.Count > 0
           let step = Median(others, static other => other.StepSeconds)
           where slow.StepSeconds > Factor * step && slow.ShardSeconds > Factor * Median(others, static other => other.ShardSeconds)
           select (slow, step),
    ];

    private static double Median(List<WorkerTimes> workers, Func<WorkerTimes, double> seconds)
    {
        var ordered = workers.Select(seconds).Order().ToList();
        return (ordered[(ordered.Count - 1) / 2] + ordered[ordered.Count / 2]) / 2;
    }
}
