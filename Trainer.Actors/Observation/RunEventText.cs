using System.Globalization;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Metrics;
using CnnCluster.Trainer.Training;
using Microsoft.Extensions.Logging;

namespace CnnCluster.Trainer.Observation;

/// <summary>A run's events as a log has them.</summary>
internal static class RunEventText
{
    /// <returns>Null for progress within an epoch, of which there is too much.</returns>
    public static (LogLevel Level, string Message)? Of(IRunEvent happened) => happened switch
    {
        RunStarted started => (LogLevel.Information, $"the run starts with {Names(started.Workers)}{Travelling(started.Travel)}"),
        RunRegrouped regrouped => (
            LogLevel.Warning,
            Invariant($"{regrouped.Reason} Generation {regrouped.Generation} goes on from step {regrouped.Step} after {regrouped.Took.TotalSeconds:F3} s with {Names(regrouped.Workers)}{Travelling(regrouped.Travel)}")),
        RunWaiting waiting => (LogLevel.Warning, $"{waiting.Reason} {waiting.Workers} of at least {waiting.MinWorkers} workers are there: the run waits for others"),
        StragglerFound found => (
            LogLevel.Warning,
            Invariant($"{found.Worker.Worker} holds the others up: {found.Worker.StepSeconds:G3} s of its own work in a step, and the others {found.OthersSeconds:G3} s")),
        StateNotKept lost => (LogLevel.Warning, $"the state {lost.Name} could not be written: {lost.Reason}"),
        EpochEnded { Metrics: var metrics } => (
            LogLevel.Information,
            Invariant($"epoch {metrics.Epoch} ends at step {metrics.Step}: {TrainingOf(metrics)}, val_loss {metrics["val_loss"]:G6}{RegularizationOf(metrics)}{SkippedOf(metrics)}")),
        RunEnded { Outcome: var outcome } => (
            outcome.Reason == StopReason.Failed ? LogLevel.Error : LogLevel.Information,
            $"the run ends at step {outcome.Step} ({RunJson.NameOf(outcome.Reason)}){(outcome.Message.Length > 0 ? $": {outcome.Message}" : "")}"),
        _ => null,
    };

    private static string TrainingOf(EpochMetrics metrics) =>
        metrics.HasTrained ? Invariant($"train_loss {metrics["train_loss"]:G6}") : "no step was applied";

    /// <summary>What regularization adds to the validation loss: the sum, and each weight's own by its name.</summary>
    private static string RegularizationOf(EpochMetrics metrics) =>
        metrics.RegularizationLosses.Count == 0
            ? ""
            : Invariant($", regularization_loss {metrics.RegularizationLoss:G6} ({string.Join(", ", metrics.RegularizationLosses.Select(static l => Invariant($"{l.Key} {l.Value:G6}")))})");

    private static string SkippedOf(EpochMetrics metrics) => metrics.SkippedSteps > 0 ? Invariant($", skipped_steps {metrics.SkippedSteps}") : "";

    private static string Travelling(Travel travel) =>
        ExchangeNames.Text(travel.Exchange, travel.Wire) is { } text ? $"; gradients travel {text}" : "";

    private static string Names(IReadOnlyList<RosterEntry> workers) => string.Join(", ", workers);

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
