using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Coordination;

/// <summary>What a run tells its readers (console, files, TensorBoard), in the order it happens.</summary>
public interface IRunEvent;

/// <summary>All workers are ready.</summary>
/// <param name="Parameters">Trained numbers.</param>
/// <param name="Workers">In the order of their ranks.</param>
/// <param name="Threads">Intra-op threads of each worker.</param>
public sealed record RunStarted(long Parameters, IReadOnlyList<RosterEntry> Workers, int Threads) : IRunEvent
{
    /// <summary>How gradients travel between the workers.</summary>
    public Travel Travel { get; init; }
}

/// <summary>How gradients travel between the workers of a generation.</summary>
/// <param name="Exchange">The way, which follows from who they are.</param>
/// <param name="Wire">What they become between hosts, where they go between hosts at all.</param>
public readonly record struct Travel(Exchange Exchange, Wire Wire);

/// <summary>An earlier run goes on from its last checkpoint.</summary>
/// <param name="Epoch">The epoch it stands in.</param>
/// <param name="Step">Steps committed.</param>
public sealed record RunResumed(int Epoch, long Step) : IRunEvent;

/// <summary>Nodes may join.</summary>
/// <param name="Address">Where, as HOST:PORT.</param>
/// <param name="JoinFile">The file that tells a node all it needs.</param>
public sealed record RunListening(string Address, string JoinFile) : IRunEvent;

/// <summary>Orchestrators may ask how this process is doing.</summary>
/// <param name="Address">Where, as HOST:PORT.</param>
public sealed record HealthListening(string Address) : IRunEvent;

/// <summary>Workers were lost, or came: the others go on as a new generation.</summary>
/// <param name="Generation">Its number.</param>
/// <param name="Workers">Its workers, in the order of their ranks.</param>
/// <param name="Reason">Why, in words.</param>
/// <param name="Step">Steps that its state has.</param>
/// <param name="LostSteps">Committed steps that are gone: 0.</param>
/// <param name="Took">From the first word of it until all were ready.</param>
public sealed record RunRegrouped(
    long Generation, IReadOnlyList<RosterEntry> Workers, string Reason, long Step, long LostSteps, TimeSpan Took) : IRunEvent
{
    /// <summary>How gradients travel between the workers from now on.</summary>
    public Travel Travel { get; init; }
}

/// <summary>Fewer workers are there than the run may begin or go on with: it waits.</summary>
/// <param name="Workers">That are there.</param>
/// <param name="MinWorkers">That it takes.</param>
/// <param name="Reason">Why, in words.</param>
public sealed record RunWaiting(int Workers, int MinWorkers, string Reason) : IRunEvent;

/// <summary>Where training is within an epoch; several a second at most.</summary>
public sealed record StepProgress(int Epoch, long Step, double ImagesPerSecond, double Loss) : IRunEvent;

/// <summary>An epoch was trained and validated, and early stopping has judged it.</summary>
public sealed record EpochEnded(EpochMetrics Metrics, EarlyStoppingDecision Decision) : IRunEvent
{
    /// <summary>Where each worker's time went, in rank order; without those that timed no step of it.</summary>
    public IReadOnlyList<WorkerTimes> Workers { get; init; } = [];
}

/// <summary>A worker holds the others up; said once of each.</summary>
/// <param name="Worker">Its times in the epoch.</param>
/// <param name="Epoch">Where it was noticed.</param>
/// <param name="OthersSeconds">The median of the others' own work in a step.</param>
public sealed record StragglerFound(WorkerTimes Worker, int Epoch, double OthersSeconds) : IRunEvent;

/// <summary>A state reached the run's home, and could not be kept there.</summary>
/// <param name="Name">The state's.</param>
/// <param name="Reason">What kept it from being written.</param>
public sealed record StateNotKept(string Name, string Reason) : IRunEvent;

/// <summary>The run has ended; nothing follows.</summary>
public sealed record RunEnded(RunOutcome Outcome) : IRunEvent;
