namespace CnnCluster.Trainer.Coordination;

/// <summary>What a run tells its readers (console, files, TensorBoard), in the order it happens.</summary>
public interface IRunEvent;

/// <summary>All workers are ready.</summary>
/// <param name="Parameters">Trained numbers.</param>
/// <param name="Workers">In the order of their ranks.</param>
/// <param name="Threads">Intra-op threads of each worker.</param>
public sealed record RunStarted(long Parameters, IReadOnlyList<RosterEntry> Workers, int Threads) : IRunEvent;

/// <summary>Where training is within an epoch; several a second at most.</summary>
public sealed record StepProgress(int Epoch, long Step, double ImagesPerSecond, double Loss) : IRunEvent;

/// <summary>An epoch was trained and validated, and early stopping has judged it.</summary>
public sealed record EpochEnded(EpochMetrics Metrics, EarlyStoppingDecision Decision) : IRunEvent;

/// <summary>The run has ended; nothing follows.</summary>
public sealed record RunEnded(RunOutcome Outcome) : IRunEvent;
