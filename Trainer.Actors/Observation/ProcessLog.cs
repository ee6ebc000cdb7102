using Microsoft.Extensions.Logging;

namespace CnnCluster.Trainer.Observation;

/// <summary>A process's log: its own lines and those of its libraries, one at a time. Safe for several threads.</summary>
/// <param name="options">What is logged, and how.</param>
/// <param name="writer">Takes the lines.</param>
/// <param name="subject">Whom a line is about that does not say it: what the process is at.</param>
/// <param name="clock">The time; the system's by default.</param>
public sealed class ProcessLog(LogOptions options, TextWriter writer, Func<LogSubject> subject, TimeProvider? clock = null) : ILoggerProvider
{
    /// <summary>The source of what the user reads, whatever the level.</summary>
    private const string UserSource = "cnn";

    private readonly TimeProvider clock = clock ?? TimeProvider.System;
    private readonly Lock gate = new();

    public LogOptions Options => options;

    /// <summary>Below this nothing of a library's is logged.</summary>
    public LogLevel LibraryLevel => options.Level == LogLevel.Information ? LogLevel.Warning : options.Level;

    private LogSubject Subject => subject();

    public bool IsEnabled(LogLevel level) => options.Level != LogLevel.None && level != LogLevel.None && level >= options.Level;

    /// <param name="level">How much it matters; below the log's own nothing is written.</param>
    /// <param name="source">What in this process says it.</param>
    /// <param name="about">Whom it is about.</param>
    /// <param name="message">In words.</param>
    public void Write(LogLevel level, string source, LogSubject about, string message) => Write(level, source, about, message, null);

    /// <summary>What the user reads, as a line of the log: it is said whatever the level.</summary>
    /// <param name="line">As it would stand on standard error. A line that is one of a log already, as of a worker process, is handed on.</param>
    public void Say(string line)
    {
        if (options.Format == LogFormat.Json && line.StartsWith(LogRecord.JsonBegin, StringComparison.Ordinal))
        {
            WriteLine(line);
        }
        else if (line.Length > 0)
        {
            var (level, message) = LevelOf(line);
            WriteLine(RecordOf(level, UserSource, Subject, message, null));
        }
    }

    public ILogger CreateLogger(string categoryName) => new Source(this, categoryName);

    public void Dispose()
    {
    }

    private void Write(LogLevel level, string source, LogSubject about, string message, Exception? exception)
    {
        if (IsEnabled(level)) WriteLine(RecordOf(level, source, about, message, exception));
    }

    private string RecordOf(LogLevel level, string source, LogSubject about, string message, Exception? exception) =>
        new LogRecord(clock.GetUtcNow(), level, Environment.ProcessId, source, about, message, exception?.ToString()).Line(options.Format);

    private void WriteLine(string line)
    {
        lock (gate)
        {
            writer.Write(line + "\n");
            writer.Flush();
        }
    }

    /// <summary>Messages of the program begin with its name, and warnings say that they are; what a node says by itself is seldom and matters.</summary>
    private static (LogLevel Level, string Message) LevelOf(string line)
    {
        const string warning = "cnn: warning: ", error = "cnn: ", node = "cnn node: ";
        return line.StartsWith(warning, StringComparison.Ordinal) ? (LogLevel.Warning, line[warning.Length..])
            : line.StartsWith(error, StringComparison.Ordinal) ? (LogLevel.Error, line[error.Length..])
            : line.StartsWith(node, StringComparison.Ordinal) ? (LogLevel.Warning, line[node.Length..])
            : (LogLevel.Information, line.Trim());
    }

    /// <summary>What a library says. What it tells in passing is for whoever looks for a mistake: its info is our debug.</summary>
    private sealed class Source(ProcessLog log, string name) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => log.IsEnabled(LevelOf(logLevel));

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            log.Write(LevelOf(logLevel), name, log.Subject, formatter(state, exception), exception);

        private static LogLevel LevelOf(LogLevel said) => said == LogLevel.Information ? LogLevel.Debug : said;

    }
}
