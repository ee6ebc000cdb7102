using CnnCluster.Kernels.Arena;

namespace CnnCluster.Kernels.Optimization;

/// <summary>What a gradient is clipped by.</summary>
public enum ClippingKind
{
    /// <summary>Each element to [−limit, limit].</summary>
    Value,

    /// <summary>Each parameter's gradient to a Euclidean norm of at most the limit.</summary>
    Norm,

    /// <summary>The whole gradient to a Euclidean norm of at most the limit (Pascanu, Mikolov, Bengio, ICML 2013).</summary>
    GlobalNorm,
}

/// <summary>Bounds gradients; a gradient with a NaN stays one.</summary>
/// <param name="Kind">What is bounded.</param>
/// <param name="Limit">The bound, above 0.</param>
public sealed record GradientClipping(ClippingKind Kind, double Limit)
{
    // A power of two: it changes no digit of what it multiplies.
    private static readonly double Tiny = Math.ScaleB(1, -600);

    /// <summary>Adds the bound to what the gradient of each stretch meets.</summary>
    /// <param name="arena">The arena, its gradient reduced.</param>
    /// <param name="stretches">Its stretches, with all else that comes before clipping; for norms of parameters kept apart.</param>
    internal void Prepare(ParameterArena arena, Span<Stretch> stretches)
    {
        switch (Kind)
        {
            case ClippingKind.Value:
                foreach (ref var stretch in stretches)
                {
                    stretch = stretch with { Adjustment = stretch.Adjustment with { Limit = Limit } };
                }

                break;
            case ClippingKind.Norm:
                foreach (var part in Stretches.SegmentsOf(stretches))
                {
                    Shorten(arena, stretches[part]);
                }

                break;
            case ClippingKind.GlobalNorm:
                Shorten(arena, stretches);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(arena), Kind, "No such clipping.");
        }
    }

    private void Shorten(ParameterArena arena, Span<Stretch> stretches)
    {
        var norm = Norm(arena, stretches);
        var shrink = norm > Limit ? Limit / norm : 1;
        foreach (ref var stretch in stretches)
        {
            stretch = stretch with { Adjustment = stretch.Adjustment with { Shrink = shrink } };
        }
    }

    private static double Norm(ParameterArena arena, ReadOnlySpan<Stretch> stretches)
    {
        var norm = Math.Sqrt(SumOfSquares(arena, stretches, 1));

        // The squares of large doubles overflow; those of a share of them do not.
        return double.IsPositiveInfinity(norm) ? Math.Sqrt(SumOfSquares(arena, stretches, Tiny)) / Tiny : norm;
    }

    private static double SumOfSquares(ParameterArena arena, ReadOnlySpan<Stretch> stretches, double share)
    {
        var sum = 0.0;
        foreach (ref readonly var stretch in stretches)
        {
            var (unscale, l1, l2) = (stretch.Adjustment.Unscale, stretch.Adjustment.L1, stretch.Adjustment.L2);
            var k = new Coefficients<double>(share * unscale, share * l1, share * 2 * l2);
            sum += l1 > 0 || l2 > 0
                ? ArenaSums.Sum<RegularizedSquare>(arena.GradientBuffer, arena.ParameterBuffer, stretch, k)
                : ArenaSums.Sum<ScaledSquare>(arena.GradientBuffer, arena.ParameterBuffer, stretch, k);
        }

        return sum;
    }
}
