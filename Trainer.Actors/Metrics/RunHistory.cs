using System.Text.Json;
using CnnCluster.Trainer.Coordination;

namespace CnnCluster.Trainer.Metrics;

/// <summary>Reads back what <see cref="RunJson"/> has written of a run.</summary>
public static class RunHistory
{
    private static readonly HashSet<string> NoFigures =
        new(StringComparer.Ordinal) { "epoch", "step", "images_per_second", "learning_rate", "skipped_steps", "regularization_loss" };

    /// <summary>An epoch's figures, as they were last told; null where they are not on record.</summary>
    /// <param name="path">A run's <c>metrics.jsonl</c>; a last line that was cut is passed over.</param>
    /// <param name="epoch">From 1.</param>
    public static EpochMetrics? EpochOf(string path, int epoch)
    {
        if (!File.Exists(path)) return null;
        return File.ReadLines(path).Select(line => Parse(line, epoch)).LastOrDefault(static metrics => metrics is not null);
    }

    private static EpochMetrics? Parse(string line, int epoch)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            var root = json.RootElement;
            return root.GetProperty("event").GetString() == "epoch" && root.GetProperty("epoch").GetInt32() == epoch ? Read(root) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static EpochMetrics Read(JsonElement json)
    {
        var values = json.EnumerateObject()
            .Where(static field => field.Value.ValueKind is JsonValueKind.Number or JsonValueKind.Null && !NoFigures.Contains(field.Name))
            .ToDictionary(static field => field.Name, static field => Number(field.Value), StringComparer.Ordinal);
        var losses = json.TryGetProperty("regularization_losses", out var parts)
            ? parts.EnumerateObject().ToDictionary(static field => field.Name, static field => Number(field.Value), StringComparer.Ordinal)
            : [];
        return new EpochMetrics(
            json.GetProperty("epoch").GetInt32(),
            json.GetProperty("step").GetInt64(),
            values,
            losses,
            Number(json.GetProperty("images_per_second")),
            Number(json.GetProperty("learning_rate")));
    }

    /// <summary>What is no number in JSON was none.</summary>
    private static double Number(JsonElement value) => value.ValueKind == JsonValueKind.Number ? value.GetDouble() : double.NaN;
}
