namespace CnnCluster.Trainer.Observation;

/// <summary>What a process tells those who run it: its log, and what it is at.</summary>
public sealed class ProcessObservation
{
    /// <param name="options">What is logged, and how.</param>
    /// <param name="writer">Takes the log's lines.</param>
    public ProcessObservation(LogOptions options, TextWriter writer) => Log = new ProcessLog(options, writer, () => Status.Subject);

    public ProcessStatus Status { get; } = new();

    public ProcessLog Log { get; }

    /// <summary>As the environment has it, on standard error.</summary>
    /// <exception cref="UserException">The environment says no level.</exception>
    public static ProcessObservation OfEnvironment() => new(LogOptions.OfEnvironment(), Console.Error);
}
