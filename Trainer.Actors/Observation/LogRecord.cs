using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace CnnCluster.Trainer.Observation;

/// <summary>Whom a line of the log is about, and where that one stood; null where it is not known.</summary>
/// <param name="Worker">The worker's number in the run.</param>
/// <param name="Generation">The last one that it was formed into.</param>
/// <param name="Term">Of the coordinator that it follows, or is.</param>
/// <param name="Step">Steps that it has applied; the coordinator's, committed.</param>
public sealed record LogSubject(int? Worker, long? Generation, long? Term, long? Step)
{
    public static readonly LogSubject Unknown = new(null, null, null, null);
}

/// <summary>A line of the log.</summary>
/// <param name="Time">When it was written.</param>
/// <param name="Level">How much it matters.</param>
/// <param name="Process">The process that wrote it.</param>
/// <param name="Source">What in it: <c>coordinator</c>, <c>worker</c>, <c>cnn</c> for what the user reads, else a name of a library's.</param>
/// <param name="Subject">Whom it is about.</param>
/// <param name="Message">In words.</param>
/// <param name="Exception">What was thrown, with where; null where nothing was.</param>
public sealed record LogRecord(DateTimeOffset Time, LogLevel Level, int Process, string Source, LogSubject Subject, string Message, string? Exception)
{
    /// <summary>How a JSON line begins: what a process hands on of another's log stays as it is.</summary>
    public const string JsonBegin = "{\"time\":";

    private static readonly JsonWriterOptions JsonOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private string TimeText => Time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    /// <summary>Without a line's end. In text an exception's further lines are indented.</summary>
    public string Line(LogFormat format) => format == LogFormat.Json ? Json() : Text();

    private string Text()
    {
        var text = new StringBuilder(string.Create(CultureInfo.InvariantCulture, $"{TimeText} {LogOptions.NameOf(Level),-7} process {Process}"));
        foreach (var (name, value) in Known())
        {
            text.Append(CultureInfo.InvariantCulture, $" {name} {value}");
        }

        text.Append(CultureInfo.InvariantCulture, $" {Source}: {Message}");
        if (Exception is not null) text.Append('\n').Append(Exception);
        return text.Replace("\r", "").Replace("\n", "\n    ").ToString();
    }

    private string Json()
    {
        using var text = new MemoryStream();
        using (var json = new Utf8JsonWriter(text, JsonOptions))
        {
            json.WriteStartObject();
            json.WriteString("time", TimeText);
            json.WriteString("level", LogOptions.NameOf(Level));
            json.WriteNumber("process", Process);
            foreach (var (name, value) in Known())
            {
                json.WriteNumber(name, value);
            }

            json.WriteString("source", Source);
            json.WriteString("message", Message);
            if (Exception is not null) json.WriteString("exception", Exception);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length);
    }

    private IEnumerable<(string Name, long Value)> Known()
    {
        if (Subject.Worker is { } worker) yield return ("worker", worker);
        if (Subject.Generation is { } generation) yield return ("generation", generation);
        if (Subject.Term is { } term) yield return ("term", term);
        if (Subject.Step is { } step) yield return ("step", step);
    }
}
