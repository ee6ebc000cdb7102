using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Protocol;
using CnnCluster.Trainer.Training;

namespace CnnCluster.Trainer.Metrics;

/// <summary>
/// A run's events as JSON objects, each on one line: what <c>--json</c> prints and <c>metrics.jsonl</c> keeps. Every
/// object has <c>event</c> (health, resume, listen, start, epoch, straggler, regroup, wait, stop, end) and <c>time</c> (ISO 8601, UTC); JSON knows neither NaN nor
/// infinity, for which null stands.
/// </summary>
public static class RunJson
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The lines that an event gives, without line ends; none for progress within an epoch.</summary>
    /// <param name="message">The event.</param>
    /// <param name="time">When it happened.</param>
    /// <param name="runFolder">Where the run keeps its files.</param>
    /// <param name="elapsed">Since the run's start.</param>
    public static IReadOnlyList<string> Lines(IRunEvent message, DateTimeOffset time, string runFolder, TimeSpan elapsed) =>
        message switch
        {
            RunStarted started => [Line("start", time, json => WriteStart(json, started))],
            RunResumed resumed => [Line("resume", time, json => WriteResumed(json, resumed))],
            RunListening listening => [Line("listen", time, json => WriteListening(json, listening))],
            HealthListening health => [Line("health", time, json => json.WriteString("address", health.Address))],
            RunRegrouped regrouped => [Line("regroup", time, json => WriteRegroup(json, regrouped))],
            RunWaiting waiting => [Line("wait", time, json => WriteWaiting(json, waiting))],
            EpochEnded ended => [Line("epoch", time, json => WriteEpoch(json, ended))],
            StragglerFound found => [Line("straggler", time, json => WriteStraggler(json, found))],
            StateNotKept lost => [Line("unwritten", time, json => WriteNotKept(json, lost))],
            RunEnded { Outcome: { Reason: StopReason.Interrupted or StopReason.Failed } outcome } =>
                [Line("stop", time, json => WriteStop(json, outcome))],
            RunEnded { Outcome: var outcome } =>
            [
                Line("stop", time, json => WriteStop(json, outcome)),
                Line("end", time, json => WriteEnd(json, outcome, runFolder, elapsed)),
            ],
            _ => [],
        };

    private static string Line(string name, DateTimeOffset time, Action<Utf8JsonWriter> writeFields)
    {
        using var text = new MemoryStream();
        using (var json = new Utf8JsonWriter(text, Options))
        {
            json.WriteStartObject();
            json.WriteString("event", name);
            json.WriteString("time", time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
            writeFields(json);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length);
    }

    private static void WriteStart(Utf8JsonWriter json, RunStarted started)
    {
        json.WriteNumber("world", started.Workers.Count);
        json.WriteNumber("parameters", started.Parameters);
        json.WriteNumber("threads", started.Threads);
        WriteTravel(json, started.Travel);
        WriteWorkers(json, started.Workers);
    }

    private static void WriteResumed(Utf8JsonWriter json, RunResumed resumed)
    {
        json.WriteNumber("epoch", resumed.Epoch);
        json.WriteNumber("step", resumed.Step);
    }

    private static void WriteListening(Utf8JsonWriter json, RunListening listening)
    {
        json.WriteString("address", listening.Address);
        json.WriteString("join", listening.JoinFile);
    }

    private static void WriteRegroup(Utf8JsonWriter json, RunRegrouped regrouped)
    {
        json.WriteNumber("generation", regrouped.Generation);
        json.WriteNumber("world", regrouped.Workers.Count);
        json.WriteString("reason", regrouped.Reason);
        json.WriteNumber("step", regrouped.Step);
        json.WriteNumber("lost_steps", regrouped.LostSteps);
        json.WriteNumber("seconds", Math.Round(regrouped.Took.TotalSeconds, 3));
        WriteTravel(json, regrouped.Travel);
        WriteWorkers(json, regrouped.Workers);
    }

    private static void WriteTravel(Utf8JsonWriter json, Travel travel)
    {
        json.WriteString("exchange", ExchangeNames.Name(travel.Exchange));
        if (travel.Wire != Wire.Unchanged && ExchangeNames.IsBetweenHosts(travel.Exchange)) json.WriteString("wire", WireNames.Name(travel.Wire));
    }

    private static void WriteWaiting(Utf8JsonWriter json, RunWaiting waiting)
    {
        json.WriteNumber("world", waiting.Workers);
        json.WriteNumber("min_workers", waiting.MinWorkers);
        json.WriteString("reason", waiting.Reason);
    }

    private static void WriteWorkers(Utf8JsonWriter json, IReadOnlyList<RosterEntry> workers)
    {
        json.WriteStartArray("workers");
        foreach (var (rank, worker) in workers.Index())
        {
            json.WriteStartObject();
            json.WriteNumber("rank", rank);
            json.WriteNumber("pid", worker.ProcessId);
            json.WriteString("host", worker.Host);
            json.WriteString("device", worker.Device);
            if (worker.Threads is { } threads) json.WriteNumber("threads", threads);
            if (worker.Share != 1) json.WriteNumber("share", worker.Share);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteEpoch(Utf8JsonWriter json, EpochEnded ended)
    {
        var metrics = ended.Metrics;
        json.WriteNumber("epoch", metrics.Epoch);
        json.WriteNumber("step", metrics.Step);
        foreach (var (name, value) in metrics.Values.OrderBy(static figure => figure.Key is "train_loss" or "val_loss" ? 0 : 1))
        {
            WriteFigure(json, name, value);
        }

        WriteRegularization(json, metrics);
        WriteFigure(json, "images_per_second", metrics.ImagesPerSecond);
        WriteFigure(json, "learning_rate", metrics.LearningRate);
        if (metrics.SkippedSteps > 0) json.WriteNumber("skipped_steps", metrics.SkippedSteps);
        json.WriteBoolean("best", ended.Decision.KeepAsBest);
        WriteTimes(json, ended.Workers);
    }

    private static void WriteTimes(Utf8JsonWriter json, IReadOnlyList<WorkerTimes> workers)
    {
        if (workers.Count == 0) return;
        json.WriteStartArray("workers");
        foreach (var times in workers)
        {
            json.WriteStartObject();
            WriteWorker(json, times.Worker);
            json.WriteNumber("steps", times.Steps);
            WriteSeconds(json, "computing_seconds", times.Computing);
            WriteSeconds(json, "wait_seconds", times.Waiting);
            WriteSeconds(json, "communication_seconds", times.Communicating);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteStraggler(Utf8JsonWriter json, StragglerFound found)
    {
        json.WriteNumber("epoch", found.Epoch);
        WriteWorker(json, found.Worker.Worker);
        WriteSeconds(json, "step_seconds", found.Worker.StepSeconds);
        WriteSeconds(json, "others_step_seconds", found.OthersSeconds);
    }

    private static void WriteNotKept(Utf8JsonWriter json, StateNotKept lost)
    {
        json.WriteString("state", lost.Name);
        json.WriteString("reason", lost.Reason);
    }

    /// <summary>By its number, as messages name it: ranks change with generations.</summary>
    private static void WriteWorker(Utf8JsonWriter json, RosterEntry worker)
    {
        json.WriteNumber("worker", worker.Slot);
        json.WriteNumber("pid", worker.ProcessId);
        json.WriteString("host", worker.Host);
    }

    private static void WriteSeconds(Utf8JsonWriter json, string name, double seconds) => WriteFigure(json, name, Math.Round(seconds, 6));

    private static void WriteRegularization(Utf8JsonWriter json, EpochMetrics metrics)
    {
        if (metrics.RegularizationLosses.Count == 0)
        {
            return;
        }

        WriteFigure(json, "regularization_loss", metrics.RegularizationLoss);
        json.WriteStartObject("regularization_losses");
        foreach (var (weight, loss) in metrics.RegularizationLosses)
        {
            WriteFigure(json, weight, loss);
        }

        json.WriteEndObject();
    }

    private static void WriteStop(Utf8JsonWriter json, RunOutcome outcome)
    {
        json.WriteString("reason", NameOf(outcome.Reason));
        if (outcome.Best.BestEpoch > 0)
        {
            json.WriteNumber("best_epoch", outcome.Best.BestEpoch);
        }
        else
        {
            json.WriteNull("best_epoch");
        }

        if (outcome.Message.Length > 0)
        {
            json.WriteString("message", outcome.Message);
        }
    }

    /// <summary>A figure of validation that <c>end</c> does not have in any case.</summary>
    private static bool IsFurther(string name) =>
        name.StartsWith("val_", StringComparison.Ordinal) && name is not ("val_loss" or "val_accuracy");

    private static void WriteEnd(Utf8JsonWriter json, RunOutcome outcome, string runFolder, TimeSpan elapsed)
    {
        json.WriteString("run", runFolder);
        WriteFigure(json, "val_accuracy", outcome.Final?.Values.GetValueOrDefault("val_accuracy", double.NaN));
        WriteFigure(json, "val_loss", outcome.Final?.Values.GetValueOrDefault("val_loss", double.NaN));
        foreach (var (name, value) in outcome.Final?.Values.Where(static v => IsFurther(v.Key)) ?? [])
        {
            WriteFigure(json, name, value);
        }

        json.WriteString("weights_sha256", outcome.WeightsHash);
        json.WriteNumber("seconds", Math.Round(elapsed.TotalSeconds, 3));
    }

    private static void WriteFigure(Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } figure && double.IsFinite(figure))
        {
            json.WriteNumber(name, figure);
        }
        else
        {
            json.WriteNull(name);
        }
    }

    /// <summary>What <c>stop</c> calls a reason.</summary>
    public static string NameOf(StopReason reason) => reason switch
    {
        StopReason.EarlyStop => "early-stop",
        StopReason.Epochs => "epochs",
        StopReason.Steps => "steps",
        StopReason.Interrupted => "interrupted",
        StopReason.Failed => "failed",
        _ => throw new ArgumentOutOfRangeException(nameof(reason), reason, null),
    };
}
