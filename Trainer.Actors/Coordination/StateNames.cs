using System.Globalization;

namespace CnnCluster.Trainer.Coordination;

/// <summary>What states are called on their way from a worker to the run's home.</summary>
public static class StateNames
{
    /// <summary>The state a run ends with.</summary>
    public const string Final = "final";

    /// <summary>The best weights so far, for a home that has not seen them come.</summary>
    public const string Best = "best";

    public const string HistogramsPrefix = "histograms-";

    /// <summary>A checkpoint; its name tells the keeper whether it is also the best so far.</summary>
    public static string Checkpoint(long step, bool isBest) => isBest ? $"best-step-{step:D8}" : $"step-{step:D8}";

    /// <summary>Whether the best weights so far come by this name.</summary>
    public static bool IsOfBest(string name) => name == Best || name.StartsWith($"{Best}-", StringComparison.Ordinal);

    /// <summary>The step of a checkpoint's name; none for the final state and for histograms.</summary>
    public static long? StepOf(string name) =>
        !name.StartsWith(HistogramsPrefix, StringComparison.Ordinal)
        && long.TryParse(name.AsSpan(name.LastIndexOf('-') + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var step)
            ? step
            : null;

    /// <summary>Weights and gradients at the end of an epoch.</summary>
    public static string Histograms(int epoch) => $"{HistogramsPrefix}{epoch:D8}";
}
