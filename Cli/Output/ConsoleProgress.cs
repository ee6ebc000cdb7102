using System.Globalization;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Training;
using Spectre.Console;

namespace CnnCluster.Cli.Output;

/// <summary>Shows a run on the terminal: a line for each epoch, and below it, where the terminal can, a live bar.</summary>
/// <remarks>Everything goes to standard error; standard output is for results.</remarks>
internal sealed class ConsoleProgress : IRunReader
{
    private readonly IAnsiConsole console;
    private readonly long stepsPerEpoch;
    private readonly int epochs;
    private readonly ProgressBar? bar;

    /// <param name="console">Standard error.</param>
    /// <param name="stepsPerEpoch">How far the bar goes.</param>
    /// <param name="epochs">At most so many epochs.</param>
    public ConsoleProgress(IAnsiConsole console, long stepsPerEpoch, int epochs)
    {
        this.console = console;
        this.stepsPerEpoch = stepsPerEpoch;
        this.epochs = epochs;
        bar = console.Profile.Capabilities.Interactive ? new ProgressBar(console) : null;
    }

    public void Read(IRunEvent message)
    {
        switch (message)
        {
            case RunStarted started: Show(started); break;
            case RunResumed resumed:
                console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"goes on from step {resumed.Step}, in epoch {resumed.Epoch}");
                break;
            case RunListening listening:
                console.MarkupLineInterpolated($"nodes of this machine join with: cnn node --join {listening.JoinFile}");
                break;
            case HealthListening health:
                console.MarkupLineInterpolated($"health: http://{health.Address}/healthz and /readyz");
                break;
            case RunRegrouped regrouped: Show(regrouped); break;
            case RunWaiting waiting: Show(waiting); break;
            case StepProgress progress: Show(progress); break;
            case EpochEnded ended: Show(ended); break;
            case StragglerFound found: Show(found); break;
            case StateNotKept lost:
                console.MarkupLineInterpolated($"[yellow]{"",10}{lost.Name} could not be written: {lost.Reason}[/]");
                break;

            // The live part of the screen goes before the result is written below it.
            case RunEnded: bar?.Dispose(); break;
            default: break;
        }
    }

    public void Dispose() => bar?.Dispose();

    private void Show(RunStarted started)
    {
        console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"{started.Parameters:N0} parameters, {started.Workers.Count} {(started.Workers.Count == 1 ? "worker" : "workers")} of {started.Threads} {(started.Threads == 1 ? "thread" : "threads")}: {Places(started.Workers)}");
        if (ExchangeNames.Text(started.Travel.Exchange, started.Travel.Wire) is { } text) console.MarkupLineInterpolated($"gradients travel {text}");
        console.MarkupLine("[grey] epoch    train loss   val loss   val acc.   images/s   lr[/]");
    }

    private void Show(RunRegrouped regrouped) =>
        console.MarkupLineInterpolated(
            CultureInfo.InvariantCulture,
            $"[yellow]{regrouped.Reason} Generation {regrouped.Generation} goes on from step {regrouped.Step} with {regrouped.Workers.Count} {(regrouped.Workers.Count == 1 ? "worker" : "workers")}, after {regrouped.Took.TotalSeconds:F2} s.[/]");

    private void Show(RunWaiting waiting) =>
        console.MarkupLineInterpolated(
            CultureInfo.InvariantCulture,
            $"[yellow]{waiting.Reason} {waiting.Workers} of at least {waiting.MinWorkers} workers are there: waiting for others.[/]");

    private void Show(StragglerFound found) =>
        console.MarkupLineInterpolated(
            CultureInfo.InvariantCulture,
            $"[yellow]{"",10}{found.Worker.Worker} holds the others up: {1000 * found.Worker.StepSeconds:G3} ms of its own work in a step, {found.Worker.StepSeconds / found.OthersSeconds:F2} times the others' {1000 * found.OthersSeconds:G3} ms[/]");

    private static string Places(IReadOnlyList<RosterEntry> workers) =>
        string.Join(", ", workers.Select(static (w, rank) => $"{rank} on {w.Device} (process {w.ProcessId})"));

    private void Show(StepProgress progress) =>
        bar?.Show(
            string.Create(CultureInfo.InvariantCulture, $"epoch {progress.Epoch}/{epochs}  loss {progress.Loss:F4}  {progress.ImagesPerSecond:N0} images/s"),
            progress.Step - ((progress.Epoch - 1) * stepsPerEpoch), stepsPerEpoch);

    private void Show(EpochEnded ended)
    {
        var m = ended.Metrics;
        var accuracy = m.Values.TryGetValue("val_accuracy", out var value) ? value.ToString("P2", CultureInfo.InvariantCulture) : "";
        var best = ended.Decision.KeepAsBest ? " [green]best[/]" : "";
        var trained = m.HasTrained ? m["train_loss"].ToString("F4", CultureInfo.InvariantCulture) : "–";
        console.MarkupLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{m.Epoch,6}    {trained,10} {m["val_loss"],10:F4} {accuracy,10} {m.ImagesPerSecond,10:N0}   {m.LearningRate:G4}{best}"));
        foreach (var (name, figure) in m.Values.Where(static v => IsFurther(v.Key)))
        {
            console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[grey]{"",10}{name} {figure:F4}[/]");
        }

        if (m.SkippedSteps > 0)
        {
            var steps = (m.SkippedSteps == 1 ? "1 step" : $"{m.SkippedSteps} steps") + (m.HasTrained ? "" : ", all there were,");
            console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[yellow]{"",10}{steps} skipped: gradients were not finite in 16 bits[/]");
        }

        if (m.RegularizationLosses.Count > 0)
        {
            console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[grey]{"",10}{RegularizationText.Of(m, console.Profile.Width - 11)}[/]");
        }
    }

    /// <summary>A figure of validation that has no column.</summary>
    private static bool IsFurther(string name) =>
        name.StartsWith("val_", StringComparison.Ordinal) && name is not ("val_loss" or "val_accuracy");
}
