using CnnCluster.Kernels.Arena;

namespace CnnCluster.Kernels.Optimization;

/// <summary>
/// The regularization losses of an arena's segments: λ₁·Σ|P| and λ₂·ΣP², as Keras adds them to the loss. Their
/// gradients, λ₁·sign(P) and 2·λ₂·P, are added on the way to the update (<see cref="GradientAdjustment"/>).
/// </summary>
/// <remarks>They belong to the weights, not to the samples, so each worker adds them once, after the reduction.</remarks>
public static class Regularization
{
    /// <summary>The sum of all regularization losses.</summary>
    public static double Loss(ParameterArena arena) => Loss(arena, Stretches.Of(arena.Segments, apart: false));

    internal static double Loss(ParameterArena arena, ReadOnlySpan<Stretch> stretches)
    {
        var (loss, weights) = (0.0, arena.ParameterBuffer);
        foreach (ref readonly var stretch in stretches)
        {
            var (l1, l2) = (stretch.Adjustment.L1, stretch.Adjustment.L2);
            if (l1 > 0) loss += l1 * ArenaSums.Sum<Magnitude>(weights, weights, stretch, default);
            if (l2 > 0) loss += l2 * ArenaSums.Sum<Square>(weights, weights, stretch, default);
        }

        return loss;
    }
}
