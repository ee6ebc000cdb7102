using Microsoft.Extensions.Logging;

namespace CnnCluster.Trainer.Observation;

/// <summary>How a line of the log is written.</summary>
public enum LogFormat
{
    /// <summary>For a person.</summary>
    Text,

    /// <summary>One JSON object a line.</summary>
    Json,
}

/// <summary>How much a process logs, and how; what the user reads is said in any case.</summary>
/// <param name="Level">Nothing below it is logged.</param>
/// <param name="Format">How lines are written.</param>
public sealed record LogOptions(LogLevel Level, LogFormat Format)
{
    /// <summary>The environment variable that says the level where no option does.</summary>
    public const string LevelVariable = "CNN_LOG";

    private static readonly Dictionary<string, LogLevel> Levels = new(StringComparer.Ordinal)
    {
        ["debug"] = LogLevel.Debug,
        ["info"] = LogLevel.Information,
        ["warning"] = LogLevel.Warning,
        ["error"] = LogLevel.Error,
        ["none"] = LogLevel.None,
    };

    /// <summary>What the level is called in options and lines.</summary>
    public string LevelName => NameOf(Level);

    /// <summary>What the format is called in options.</summary>
    public string FormatName => Format == LogFormat.Json ? "json" : "text";

    /// <param name="level">As <c>--log-level</c> says it; null where it was not said, and the environment decides.</param>
    /// <param name="format">As <c>--log-format</c> says it; null for text. Who names a format wants to see something: it stands for the level info where none is named.</param>
    /// <param name="environment">The value of <see cref="LevelVariable"/>; null or empty where it is not set.</param>
    /// <exception cref="UserException">One of them is not known.</exception>
    public static LogOptions Of(string? level, string? format, string? environment)
    {
        var silent = format is null ? LogLevel.None : LogLevel.Information;
        return new LogOptions(
            level is not null ? LevelOf(level, "--log-level") : environment is { Length: > 0 } ? LevelOf(environment, LevelVariable) : silent,
            format switch
            {
                null or "text" => LogFormat.Text,
                "json" => LogFormat.Json,
                _ => throw new UserException($"--log-format takes text or json; it is '{format}'."),
            });
    }

    /// <summary>What the environment says.</summary>
    /// <exception cref="UserException">It says no level.</exception>
    public static LogOptions OfEnvironment() => Of(null, null, Environment.GetEnvironmentVariable(LevelVariable));

    internal static string NameOf(LogLevel level) => level switch
    {
        LogLevel.Trace or LogLevel.Debug => "debug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warning",
        LogLevel.Error or LogLevel.Critical => "error",
        _ => "none",
    };

    private static LogLevel LevelOf(string name, string source) => Levels.TryGetValue(name, out var level)
        ? level
        : throw new UserException($"{source} takes {string.Join(", ", Levels.Keys.SkipLast(1))} or {Levels.Keys.Last()}; it is '{name}'.");
}
