using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Coordination;

/// <summary>When a run counts as no longer getting better; Keras' EarlyStopping in words and meaning.</summary>
/// <param name="Higher">True where a higher value is better, as for accuracy.</param>
/// <param name="Patience">Epochs without improvement after which to stop; null never stops, but still finds the best.</param>
/// <param name="MinDelta">The least change that counts as an improvement, at least 0.</param>
/// <param name="Baseline">A value that must be reached before improvements reset the patience; null for none.</param>
/// <param name="StartFromEpoch">Epochs to wait before watching at all.</param>
public sealed record EarlyStoppingSettings(bool Higher, int? Patience, double MinDelta, double? Baseline, int StartFromEpoch);

/// <summary>What early stopping says of one epoch.</summary>
/// <param name="KeepAsBest">The epoch is the best so far: its weights are to be kept.</param>
/// <param name="Stop">The run is to end.</param>
/// <param name="State">What must be remembered, also over a resume.</param>
public sealed record EarlyStoppingDecision(bool KeepAsBest, bool Stop, EarlyStoppingState State)
{
    /// <summary>The state, with the best epoch's step in it: this epoch was measured behind the given one.</summary>
    public EarlyStoppingState Behind(long step) => KeepAsBest ? new EarlyStoppingState(State) { BestStep = step } : State;
}

/// <summary>Decides on one epoch from what is remembered of those before; a pure function.</summary>
public static class EarlyStoppingRule
{
    public static EarlyStoppingState Initial => new();

    /// <param name="settings">The rule's settings.</param>
    /// <param name="state">What the last decision left.</param>
    /// <param name="epoch">The epoch, from 1.</param>
    /// <param name="value">The monitored value; a NaN is never an improvement.</param>
    public static EarlyStoppingDecision Decide(EarlyStoppingSettings settings, EarlyStoppingState state, int epoch, double value)
    {
        if (epoch <= settings.StartFromEpoch)
        {
            return new EarlyStoppingDecision(false, false, state);
        }

        var first = state.BestEpoch == 0;
        var improved = !double.IsNaN(value) && (first || Better(settings, value, state.Best));
        var resets = improved && (settings.Baseline is not { } baseline || Better(settings, value, baseline));
        var next = new EarlyStoppingState
        {
            Best = improved ? value : state.Best,
            BestEpoch = improved ? epoch : state.BestEpoch,
            EpochsWithoutImprovement = resets ? 0 : state.EpochsWithoutImprovement + 1,
            BestStep = state.BestStep,
        };
        // An epoch that improves never stops the run, even one short of the baseline; nor does the first.
        var stop = !improved && epoch > 1 && IsOutOfPatience(settings, next);
        return new EarlyStoppingDecision(improved, stop, next);
    }

    /// <summary>Whether the decision on an epoch was to end the run, from what it left.</summary>
    /// <param name="settings">The rule's settings.</param>
    /// <param name="state">What the decision left.</param>
    /// <param name="epoch">The epoch; 0 where none was decided on.</param>
    public static bool HasStopped(EarlyStoppingSettings settings, EarlyStoppingState state, int epoch) =>
        epoch > Math.Max(1, settings.StartFromEpoch) && state.BestEpoch != epoch && IsOutOfPatience(settings, state);

    private static bool IsOutOfPatience(EarlyStoppingSettings settings, EarlyStoppingState state) =>
        settings.Patience is { } patience && state.EpochsWithoutImprovement >= patience;

    private static bool Better(EarlyStoppingSettings settings, double value, double than) =>
        settings.Higher ? value - settings.MinDelta > than : value + settings.MinDelta < than;
}
