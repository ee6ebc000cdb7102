using System.Buffers;
using System.Diagnostics;
using System.Text.Encodings.Web;
using System.Text.Json;
using CnnCluster.Kernels.Tracing;

namespace CnnCluster.Trainer.Tracing;

/// <summary>
/// A trace in Chrome's trace-event format: a JSON array with an event on each line, which chrome://tracing and Perfetto
/// show. It is written as the run goes, so memory is bounded by a buffer for each thread.
/// </summary>
/// <remarks>
/// Trace Event Format (Google, 2016): complete events (<c>ph</c> X) with microseconds, and metadata events (M) that name
/// processes and threads. The clock is the machine's monotonic one, so the processes of one machine line up.
/// </remarks>
public sealed class TraceFile : IDisposable
{
    private const string First = "[\n";
    private const string Separator = ",\n";
    private const string Last = "\n]\n";
    private const string PartSuffix = ".part-";
    private static readonly JsonWriterOptions Format = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly double MicrosecondsPerTick = 1e6 / Stopwatch.Frequency;
    private readonly Lock gate = new();
    private readonly StreamWriter file;
    private readonly List<TraceTrack> tracks = [];
    private readonly HashSet<int> processes = [Environment.ProcessId];
    private bool isEmpty = true;
    private bool isClosed;

    /// <param name="path">The file; one that is there is replaced.</param>
    /// <param name="processName">How the viewer names this process.</param>
    /// <param name="steps">The last step whose parts are recorded.</param>
    /// <exception cref="UserException">The file cannot be written.</exception>
    public TraceFile(string path, string processName, long steps)
    {
        Location = Path.GetFullPath(path);
        Steps = steps;
        try
        {
            Parts().ForEach(File.Delete);
            file = new StreamWriter(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new UserException($"The trace {path} cannot be written: {e.Message}", e);
        }

        Try(() => file.Write(First));
        Write(json => WriteName(json, "process_name", 0, processName));
    }

    /// <summary>Its full path.</summary>
    public string Location { get; }

    /// <summary>The last step whose parts are recorded.</summary>
    public long Steps { get; }

    /// <summary>Why it is not whole, once it could not be written; null while it could. A run does not fail with its trace.</summary>
    public string? Failure { get; private set; }

    /// <summary>Where a worker process writes its part of a run's trace; the home takes it in when the run has ended.</summary>
    /// <param name="path">The run's trace.</param>
    /// <returns>A new name each time: containers that share the folder may have processes of one number.</returns>
    public static string PartOf(string path) => $"{path}{PartSuffix}{Environment.ProcessId}-{Guid.NewGuid():N}";

    /// <summary>A track for a worker's thread, and one each for the threads that prepare its data and do what its collective has started.</summary>
    public TraceTrack WorkerTrack(int slot)
    {
        var worker = Track($"worker {slot}");
        worker.Loader = Track($"worker {slot}'s loader", worker);
        worker.Collective = Track($"worker {slot}'s collective", worker);
        return worker;
    }

    /// <summary>A track for a thread, which the viewer shows under this name.</summary>
    /// <param name="name">The thread's.</param>
    /// <param name="leader">The track of the thread that it works for; null for none.</param>
    public TraceTrack Track(string name, TraceTrack? leader = null)
    {
        lock (gate)
        {
            var id = tracks.Count + 1;
            var track = new TraceTrack(Steps, events => Write(id, events), leader);
            tracks.Add(track);
            Write(json => WriteName(json, "thread_name", id, name));
            return track;
        }
    }

    /// <summary>Writes what the tracks still hold, takes worker processes' parts in, and ends the file; spans that end later are lost.</summary>
    public void Dispose()
    {
        // Outside the gate: a track that is handing on its spans holds its own, and waits for this one.
        List<TraceTrack> all;
        lock (gate)
        {
            all = [.. tracks];
        }

        all.ForEach(static track => track.Flush());
        Parts().ForEach(Merge);
        lock (gate)
        {
            if (isClosed) return;
            isClosed = true;
            if (Failure is null) Try(() => file.Write(Last));
            Try(file.Dispose);
        }
    }

    private void Try(Action write)
    {
        try
        {
            write();
        }
        catch (IOException e)
        {
            Failure ??= $"The trace {Location} is not whole: {e.Message}";
        }
    }

    private List<string> Parts() =>
        [.. Directory.EnumerateFiles(Path.GetDirectoryName(Location)!, $"{Path.GetFileName(Location)}{PartSuffix}*")];

    /// <summary>
    /// Takes another process's events in. A process that was killed in the middle of a line has lost that line. One of another
    /// container may have the number of one that is there already: it gets one that is free, so that the viewer keeps them apart.
    /// </summary>
    private void Merge(string part)
    {
        string? own = null;
        var number = "";
        foreach (var line in File.ReadLines(part).Select(static line => line.TrimEnd(',')).Where(IsEvent))
        {
            if (own is null)
            {
                if (ProcessOf(line) is not { } process) continue;
                (own, number) = (NumberOf(process), NumberOf(FreeNumber(process)));
            }

            WriteLine(own == number ? line : line.Replace(own, number, StringComparison.Ordinal));
        }

        File.Delete(part);
    }

    /// <summary>Null of a line that was cut where an object in it ends.</summary>
    private static int? ProcessOf(string line)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            return json.RootElement.GetProperty("pid").GetInt32();
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>As it stands in an event, and in no name: quotation marks within those are escaped.</summary>
    private static string NumberOf(int process) => $"\"pid\":{process},";

    private int FreeNumber(int process)
    {
        while (!processes.Add(process))
        {
            process++;
        }

        return process;
    }

    private static bool IsEvent(string line) => line.StartsWith('{') && line.EndsWith("}}", StringComparison.Ordinal);

    private static void WriteName(Utf8JsonWriter json, string kind, int thread, string name)
    {
        json.WriteString("name", kind);
        json.WriteString("ph", "M");
        json.WriteNumber("pid", Environment.ProcessId);
        json.WriteNumber("tid", thread);
        json.WriteStartObject("args");
        json.WriteString("name", name);
        json.WriteEndObject();
    }

    private void Write(int thread, ArraySegment<TraceEvent> events)
    {
        foreach (var span in events)
        {
            Write(json => WriteSpan(json, thread, span));
        }
    }

    private static void WriteSpan(Utf8JsonWriter json, int thread, in TraceEvent span)
    {
        json.WriteString("name", span.Name);
        json.WriteString("cat", span.Category);
        json.WriteString("ph", "X");
        json.WriteNumber("ts", Microseconds(span.Start));
        json.WriteNumber("dur", Microseconds(span.End - span.Start));
        json.WriteNumber("pid", Environment.ProcessId);
        json.WriteNumber("tid", thread);
        json.WriteStartObject("args");
        json.WriteNumber("epoch", span.Epoch);
        json.WriteNumber("step", span.Step);
        json.WriteEndObject();
    }

    /// <summary>To the nanosecond, so that what touches in time touches in the file.</summary>
    private static decimal Microseconds(long ticks) => decimal.Round((decimal)(ticks * MicrosecondsPerTick), 3);

    private void Write(Action<Utf8JsonWriter> writeFields)
    {
        var text = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(text, Format))
        {
            json.WriteStartObject();
            writeFields(json);
            json.WriteEndObject();
        }

        WriteLine(System.Text.Encoding.UTF8.GetString(text.WrittenSpan));
    }

    private void WriteLine(string line)
    {
        lock (gate)
        {
            if (isClosed || Failure is not null) return;
            var separator = isEmpty ? "" : Separator;
            isEmpty = false;
            Try(() => file.Write(separator + line));
        }
    }
}
