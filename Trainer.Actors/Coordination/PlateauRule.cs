using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Coordination;

/// <summary>When a figure counts as no longer getting better, for the learning rate; Keras' ReduceLROnPlateau in words and meaning.</summary>
/// <param name="Monitor">The figure, such as <c>val_loss</c>.</param>
/// <param name="Higher">True where a higher value is better, as for accuracy.</param>
/// <param name="Patience">Epochs without improvement after which the rate is reduced.</param>
/// <param name="MinDelta">The change that an improvement exceeds, at least 0.</param>
/// <param name="Cooldown">Epochs after a reduction that do not count.</param>
/// <param name="Rate">The optimizer's learning rate, before any reduction.</param>
/// <param name="Factor">What a reduction multiplies it by.</param>
/// <param name="LeastRate">A rate that is not above this is not reduced.</param>
public sealed record PlateauSettings(
    string Monitor, bool Higher, int Patience, double MinDelta, int Cooldown, double Rate, double Factor, double LeastRate);

/// <summary>Decides on one epoch from what is remembered of those before; a pure function.</summary>
public static class PlateauRule
{
    public static PlateauState Initial => new();

    /// <param name="settings">The rule's settings.</param>
    /// <param name="state">What the last decision left.</param>
    /// <param name="value">The monitored value; a NaN is never an improvement.</param>
    /// <returns>What is to be remembered, also over a resume; its reductions say how low the rate is.</returns>
    public static PlateauState Decide(PlateauSettings settings, PlateauState state, double value)
    {
        var next = state.Clone();
        if (next.Cooldown > 0)
        {
            next.Cooldown--;
            next.EpochsWithoutImprovement = 0;
        }

        if (Improves(settings, state, value))
        {
            (next.HasBest, next.Best, next.EpochsWithoutImprovement) = (true, value, 0);
        }
        else if (next.Cooldown == 0)
        {
            next.EpochsWithoutImprovement++;
            if (next.EpochsWithoutImprovement >= settings.Patience && IsAboveLeast(settings, next.Reductions))
            {
                (next.Reductions, next.Cooldown, next.EpochsWithoutImprovement) = (next.Reductions + 1, settings.Cooldown, 0);
            }
        }

        return next;
    }

    private static bool IsAboveLeast(PlateauSettings settings, int reductions) =>
        settings.Rate * Math.Pow(settings.Factor, reductions) > settings.LeastRate;

    /// <summary>Without a best value, whatever is not the worst of all improves.</summary>
    private static bool Improves(PlateauSettings settings, PlateauState state, double value) => settings.Higher
        ? value > (state.HasBest ? state.Best : double.NegativeInfinity) + settings.MinDelta
        : value < (state.HasBest ? state.Best : double.PositiveInfinity) - settings.MinDelta;
}
