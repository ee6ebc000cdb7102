using CnnCluster.Trainer.Coordination;

namespace CnnCluster.Trainer.Metrics;

/// <summary>Writes a run's events as lines of JSON, each flushed at once, so that they can be followed and survive a crash.</summary>
/// <param name="writer">Takes the lines.</param>
/// <param name="runFolder">Where the run keeps its files; the last line tells it.</param>
/// <param name="clock">The time; the system's by default.</param>
/// <param name="ownsWriter">Whether the writer is disposed with this reader: a file's is, the console's is not.</param>
public sealed class JsonLinesReader(TextWriter writer, string runFolder, TimeProvider? clock = null, bool ownsWriter = false)
    : IRunReader
{
    private readonly TimeProvider clock = clock ?? TimeProvider.System;
    private long? started;

    public void Read(IRunEvent message)
    {
        started ??= clock.GetTimestamp();
        foreach (var line in RunJson.Lines(message, clock.GetUtcNow(), runFolder, clock.GetElapsedTime(started.Value)))
        {
            // Line feeds on every system: the file may be read on another one.
            writer.Write(line + "\n");
            writer.Flush();
        }
    }

    public void Dispose()
    {
        if (ownsWriter)
        {
            writer.Dispose();
        }
    }
}
