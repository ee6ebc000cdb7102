using System.Text.Json;
using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Observation;

/// <summary>A worker, as its process's health tells of it.</summary>
/// <param name="Status">What it is at.</param>
/// <param name="Still">Since its thread was last seen to come on.</param>
public sealed record WorkerHealth(WorkerStatus Status, TimeSpan Still);

/// <summary>How a process of a run is doing; it has no secrets.</summary>
/// <param name="Lead">The coordinator, where it is here.</param>
/// <param name="Workers">The workers that are here.</param>
/// <param name="Problems">What has not moved within its own bounds, in words; empty where all is well.</param>
public sealed record HealthReport(LeadStatus? Lead, IReadOnlyList<WorkerHealth> Workers, IReadOnlyList<string> Problems)
{
    public bool IsAlive => Problems.Count == 0;

    /// <summary>Whether it has a part in a generation that works: by its coordinator, or a worker.</summary>
    public bool IsReady => Lead is { IsAtWork: true } || Workers.Any(static worker => worker.Status.IsAtWork);

    /// <summary>The coordinator's, where it is here; else what the workers are at.</summary>
    public string State => Lead?.State
        ?? (Workers.Count == 0 ? "Starting" : IsReady ? "Working" : "Joining");

    /// <summary>One JSON object, in UTF-8.</summary>
    public byte[] ToJson()
    {
        using var text = new MemoryStream();
        using (var json = new Utf8JsonWriter(text))
        {
            json.WriteStartObject();
            json.WriteBoolean("alive", IsAlive);
            json.WriteBoolean("ready", IsReady);
            WriteStanding(json);
            json.WriteStartArray("workers");
            foreach (var worker in Workers) Write(json, worker);
            json.WriteEndArray();
            json.WriteStartArray("problems");
            foreach (var problem in Problems) json.WriteStringValue(problem);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return [.. text.ToArray(), (byte)'\n'];
    }

    private void WriteStanding(Utf8JsonWriter json)
    {
        var first = Workers.Count > 0 ? Workers[0].Status : null;
        json.WriteString("state", State);
        json.WriteNumber("generation", Lead?.Generation ?? first?.Generation ?? 0);
        json.WriteNumber("term", Lead?.Term ?? first?.Term ?? 0);
        json.WriteNumber("epoch", Lead?.Epoch ?? first?.Beat.Epoch ?? 0);
        json.WriteNumber("step", Lead?.Step ?? first?.Beat.Step ?? 0);
        if (Lead is not null) json.WriteNumber("world", Lead.Workers);
    }

    private static void Write(Utf8JsonWriter json, WorkerHealth worker)
    {
        var (slot, generation, _, isAtWork, beat) = worker.Status;
        json.WriteStartObject();
        if (slot is { } number) json.WriteNumber("worker", number);
        json.WriteNumber("generation", generation);
        json.WriteNumber("step", beat.Step);
        json.WriteBoolean("ready", isAtWork);
        json.WriteString("activity", NameOf(beat.Activity));
        json.WriteNumber("still_seconds", Math.Round(worker.Still.TotalSeconds, 3));
        json.WriteEndObject();
    }

    private static string NameOf(Activity activity) => activity switch
    {
        Activity.Standing => "standing",
        Activity.Computing => "computing",
        Activity.Reducing => "reducing",
        _ => throw new ArgumentOutOfRangeException(nameof(activity), activity, "No such activity."),
    };
}
