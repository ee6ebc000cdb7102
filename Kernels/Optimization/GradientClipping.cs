using CnnCluster.Kernels.Arena;
using TorchSharp;
using static TorchSharp.torch;

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
    /// <summary>Clips the arena's gradients in place.</summary>
    public void Apply(ParameterArena arena)
    {
        using var scope = NewDisposeScope();
        using var gradless = no_grad();
        switch (Kind)
        {
            case ClippingKind.Value:
                arena.Gradients.clamp_(-Limit, Limit);
                break;
            case ClippingKind.Norm:
                foreach (var gradient in arena.GradientViews)
                {
                    Shorten(gradient);
                }

                break;
            case ClippingKind.GlobalNorm:
                Shorten(arena.Gradients);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(arena), Kind, "No such clipping.");
        }
    }

    private void Shorten(Tensor gradient)
    {
        var norm = Norm(gradient);
        if (norm > Limit)
        {
            gradient.mul_(Limit / norm);
        }
    }

    private static double Norm(Tensor gradient)
    {
        var norm = RootOfSquares(gradient);
        if (!double.IsPositiveInfinity(norm))
        {
            return norm;
        }

        // The squares of large elements overflow; those of their shares of the largest do not.
        var largest = gradient.abs().max().to(ScalarType.Float64).item<double>();
        return largest * RootOfSquares(gradient / largest);
    }

    private static double RootOfSquares(Tensor values) => values.square().sum(ScalarType.Float64).sqrt().item<double>();
}
