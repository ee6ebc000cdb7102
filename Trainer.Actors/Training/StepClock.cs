using CnnCluster.Trainer.Protocol;
using Stopwatch = System.Diagnostics.Stopwatch;

namespace CnnCluster.Trainer.Training;

/// <summary>Where the time of a worker's steps goes: its own computing, and its waiting for its peers.</summary>
internal sealed class StepClock
{
    // The first step of a generation is not like the others: connections and caches are new.
    private bool isFirstStep;
    private long started;
    private double waited;

    /// <summary>The means of the last steps; read from other threads.</summary>
    public (double Computing, double Waiting) StepSeconds { get; private set; }

    /// <summary>The sums of the steps since <see cref="BeginEpoch"/>.</summary>
    public StepTimes Times { get; private set; } = new();

    public void BeginGeneration() => isFirstStep = true;

    public void BeginEpoch() => Times = new StepTimes();

    /// <summary>A step begins.</summary>
    /// <param name="waitSeconds">What was spent in collectives so far.</param>
    public void Start(double waitSeconds) => (started, waited) = (Stopwatch.GetTimestamp(), waitSeconds);

    /// <summary>It has ended: it is added to the sums, and to means in which it counts for a tenth.</summary>
    /// <param name="waitSeconds">What was spent in collectives by now.</param>
    public void End(double waitSeconds)
    {
        var waiting = waitSeconds - waited;
        var computing = Stopwatch.GetElapsedTime(started).TotalSeconds - waiting;
        if (!isFirstStep)
        {
            Times.Steps++;
            Times.ComputingSeconds += computing;
            Times.ReducingSeconds += waiting;
        }

        isFirstStep = false;
        var (before, waitedBefore) = StepSeconds;
        StepSeconds = before.Equals(0)
            ? (computing, waiting)
            : ((0.9 * before) + (0.1 * computing), (0.9 * waitedBefore) + (0.1 * waiting));
    }
}
