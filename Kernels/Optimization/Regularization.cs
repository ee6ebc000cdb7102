using CnnCluster.Kernels.Arena;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Optimization;

/// <summary>The regularization losses of an arena's segments: λ₁·Σ|P| and λ₂·ΣP², as Keras adds them to the loss.</summary>
/// <remarks>They belong to the weights, not to the samples, so each worker adds them once, after the reduction.</remarks>
public static class Regularization
{
    /// <summary>The sum of all regularization losses.</summary>
    public static double Loss(ParameterArena arena) => Losses(arena).Sum();

    /// <summary>The loss of each segment that has a factor, in the arena's order.</summary>
    public static IReadOnlyList<double> Losses(ParameterArena arena)
    {
        using var scope = NewDisposeScope();
        using var gradless = no_grad();
        return [.. Regularized(arena.Segments.Zip(arena.ParameterViews)).Select(static part => Loss(part.Segment, part.Parameter))];
    }

    /// <summary>Adds their gradients, λ₁·sign(P) and 2·λ₂·P, to the arena's.</summary>
    public static void AddGradients(ParameterArena arena)
    {
        using var scope = NewDisposeScope();
        using var gradless = no_grad();
        foreach (var (segment, i) in arena.Segments.Select(static (s, i) => (s, i)))
        {
            if (segment.L1 > 0) arena.GradientViews[i].add_(arena.ParameterViews[i].sign(), segment.L1);
            if (segment.L2 > 0) arena.GradientViews[i].add_(arena.ParameterViews[i], 2 * segment.L2);
        }
    }

    private static double Loss(ArenaSegment segment, Tensor parameter)
    {
        var loss = 0.0;
        if (segment.L1 > 0) loss += segment.L1 * parameter.abs().sum(ScalarType.Float64).item<double>();
        if (segment.L2 > 0) loss += segment.L2 * parameter.square().sum(ScalarType.Float64).item<double>();
        return loss;
    }

    private static IEnumerable<(ArenaSegment Segment, Tensor Parameter)> Regularized(IEnumerable<(ArenaSegment Segment, Tensor Parameter)> parts) =>
        parts.Where(static part => part.Segment.L1 > 0 || part.Segment.L2 > 0);
}
