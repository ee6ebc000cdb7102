using System.CommandLine;
using CnnCluster.Cli.Output;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Metrics;
using CnnCluster.Trainer.Observation;

namespace CnnCluster.Cli;

/// <summary>The options of commands that train: what the process tells those who run it.</summary>
internal sealed class Observing
{
    private readonly Option<string?> health = CommonOptions.Health();
    private readonly Option<string?> level = CommonOptions.LogLevel();
    private readonly Option<string?> format = CommonOptions.LogFormat();

    public IReadOnlyList<Option> Options => [health, level, format];

    /// <summary>Begins as the options say. Where the log is in JSON, all that is written to standard error from now on is, too.</summary>
    /// <exception cref="Trainer.UserException">An option is wrong, or the port of health is taken.</exception>
    public Observed Begin(ParseResult parse)
    {
        var options = LogOptions.Of(parse.GetValue(level), parse.GetValue(format), Environment.GetEnvironmentVariable(LogOptions.LevelVariable));
        var observation = new ProcessObservation(options, Console.Error);
        if (options.Format == LogFormat.Json) Console.SetError(new ErrorRecords(observation.Log));
        return new Observed(observation, parse.GetValue(health) is { } address ? HealthServer.Start(address, observation) : null);
    }
}

/// <summary>What a process tells those who run it, as long as a command runs.</summary>
internal sealed class Observed(ProcessObservation observation, HealthServer? health) : IDisposable
{
    public ProcessObservation Observation => observation;

    /// <summary>Whether standard error is for programs.</summary>
    public bool IsStructured => observation.Log.Options.Format == LogFormat.Json;

    /// <summary>Tells where health is asked, if it is.</summary>
    public void Announce(IRunReader reader)
    {
        if (health is not null) reader.Read(new HealthListening(health.Address));
    }

    /// <summary>The same of a process that has no run to tell of yet.</summary>
    public void Announce(bool json)
    {
        if (health is null) return;
        using IRunReader reader = json ? new JsonLinesReader(Console.Out, "") : new ConsoleProgress(Terminal.Error(IsStructured), 0, 0);
        Announce(reader);
    }

    public void Dispose() => health?.Dispose();
}
