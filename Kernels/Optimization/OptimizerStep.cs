using CnnCluster.Kernels.Arena;
using CnnCluster.Kernels.Tracing;

namespace CnnCluster.Kernels.Optimization;

/// <summary>A reduced gradient held a NaN or an infinity, and no loss scaling is there to skip the step.</summary>
public sealed class NonFiniteGradientException(long step)
    : Exception($"The gradient of step {step} is not finite: the loss has diverged. A smaller learning rate or `clip` may help.");

/// <summary>
/// What follows the reduction, identically on every worker: finite check, the regularizers' gradient (once), clipping,
/// the update rule.
/// </summary>
public sealed class OptimizerStep(ParameterArena arena, UpdateRule rule, GradientClipping? clipping)
{
    private readonly bool regularized = arena.Segments.Any(static s => s.L1 > 0 || s.L2 > 0);

    /// <summary>Updates the parameters and the optimizer's state.</summary>
    /// <param name="step">The number of this update, from 1.</param>
    /// <param name="learningRate">The schedule's rate for this step.</param>
    /// <returns>The regularization losses of the parameters before the update.</returns>
    /// <exception cref="NonFiniteGradientException">Nothing has been changed then.</exception>
    public double Apply(long step, double learningRate)
    {
        if (!IsFinite())
        {
            throw new NonFiniteGradientException(step);
        }

        var penalty = 0.0;
        if (regularized)
        {
            using var regularizing = Trace.Span("regularization");
            penalty = Regularization.Loss(arena);
            Regularization.AddGradients(arena);
        }

        Clip();
        using var applying = Trace.Span("rule");
        rule.Apply(new UpdateOperands(arena.Parameters, arena.Gradients, arena.States, step, learningRate));
        return penalty;
    }

    /// <summary>The regularization losses of the parameters as they are.</summary>
    public double Penalty() => regularized ? Regularization.Loss(arena) : 0;

    private void Clip()
    {
        if (clipping is null) return;
        using var bounding = Trace.Span("clip");
        clipping.Apply(arena);
    }

    // Any NaN or infinity makes the sum of all elements one, unless infinities of both signs make it a NaN.
    private bool IsFinite()
    {
        using var checking = Trace.Span("finite check");
        using var sum = arena.Gradients.sum(TorchSharp.torch.ScalarType.Float64);
        return double.IsFinite(sum.item<double>());
    }
}
