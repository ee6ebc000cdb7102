using System.Globalization;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Storage;

namespace CnnCluster.Cli.Output;

/// <summary>What a run ends with, on standard output.</summary>
internal static class OutcomeOutput
{
    /// <summary>Says how a run ended, and gives the exit code for it.</summary>
    public static int Conclude(RunOutcome outcome, RunFolder folder, bool json)
    {
        if (outcome.Reason == StopReason.Failed)
        {
            Console.Error.WriteLine($"cnn: the run failed: {outcome.Message}");
        }

        if (outcome.Reason is StopReason.Failed or StopReason.Interrupted && outcome.Checkpoint is { } checkpoint)
        {
            Console.Error.WriteLine($"cnn: the last state is {CheckpointStore.FileOf(folder.Checkpoints, checkpoint)}; cnn train --resume {folder.Location} goes on from it");
        }

        if (!json)
        {
            Show(outcome, folder);
        }

        return outcome.Reason switch
        {
            StopReason.Failed => ExitCode.Failed,
            StopReason.Interrupted => ExitCode.Interrupted,
            _ => ExitCode.Success,
        };
    }

    private static void Show(RunOutcome outcome, RunFolder folder)
    {
        Console.WriteLine(Why(outcome));
        foreach (var (name, value) in outcome.Final?.Values.Where(static v => v.Key.StartsWith("val_", StringComparison.Ordinal)) ?? [])
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: {value:F4}"));
        }

        if (outcome.WeightsHash.Length > 0)
        {
            Console.WriteLine($"weights_sha256: {outcome.WeightsHash}");
        }

        Console.WriteLine($"run: {folder.Location}");
    }

    private static string Why(RunOutcome outcome)
    {
        var best = outcome.Best.BestEpoch > 0 ? $"; the best epoch was {outcome.Best.BestEpoch}" : "";
        return outcome.Reason switch
        {
            StopReason.EarlyStop => $"stopped early{best}",
            StopReason.Epochs => $"all epochs done{best}",
            StopReason.Steps => $"stopped after {outcome.Step} steps{best}",
            StopReason.Interrupted => $"interrupted at step {outcome.Step}",
            StopReason.Failed => $"failed at step {outcome.Step}",
            _ => throw new ArgumentOutOfRangeException(nameof(outcome), outcome.Reason, "No such reason."),
        };
    }
}
