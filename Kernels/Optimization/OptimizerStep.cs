using CnnCluster.Kernels.Arena;
using CnnCluster.Kernels.Tracing;

namespace CnnCluster.Kernels.Optimization;

/// <summary>A reduced gradient held a NaN or an infinity, and no loss scaling is there to skip the step.</summary>
public sealed class NonFiniteGradientException(long step)
    : Exception($"The gradient of step {step} is not finite: the loss has diverged. A smaller learning rate or `clip` may help.");

/// <summary>
/// What follows the reduction, identically on every worker: finite check, unscaling, the regularizers' gradient (once),
/// clipping, weight decay, the update rule. One pass over the gradient checks it, one more has its norm where clipping
/// asks for it, and one updates; nothing is allocated, and the gradient is left as it was reduced.
/// </summary>
public sealed class OptimizerStep
{
    private readonly ParameterArena arena;
    private readonly UpdateRule rule;
    private readonly GradientClipping? clipping;
    private readonly Stretch[] stretches;

    /// <param name="arena">What is updated.</param>
    /// <param name="rule">The rule that the arena's states were made for.</param>
    /// <param name="clipping">What bounds the gradient; null for nothing.</param>
    public OptimizerStep(ParameterArena arena, UpdateRule rule, GradientClipping? clipping)
    {
        this.arena = arena;
        this.rule = rule;
        this.clipping = clipping;
        stretches = Stretches.Of(arena.Segments, rule.IsLayerwise || clipping?.Kind == ClippingKind.Norm);
    }

    /// <summary>Has the CPU take another path than its own.</summary>
    internal UpdatePath Path { get; init; }

    /// <summary>Updates the parameters and the optimizer's state.</summary>
    /// <param name="step">The number of this update, from 1.</param>
    /// <param name="learningRate">The schedule's rate for this step.</param>
    /// <returns>The regularization losses of the parameters before the update.</returns>
    /// <exception cref="NonFiniteGradientException">Nothing has been changed then.</exception>
    public double Apply(long step, double learningRate) =>
        TryApply(step, learningRate, 1, out var penalty) ? penalty : throw new NonFiniteGradientException(step);

    /// <summary>The same for the gradient of a scaled loss; a gradient that is not finite changes nothing.</summary>
    /// <param name="step">The number of this update, from 1.</param>
    /// <param name="learningRate">The schedule's rate for this step.</param>
    /// <param name="unscale">What the reduced gradient is multiplied by before all else: one over the loss' scale.</param>
    /// <param name="penalty">The regularization losses of the parameters before the update.</param>
    /// <returns>False where the reduced gradient is not finite, and nothing was done.</returns>
    public bool TryApply(long step, double learningRate, double unscale, out double penalty)
    {
        penalty = 0;
        if (!IsFinite())
        {
            return false;
        }

        penalty = Penalty();
        foreach (ref var stretch in stretches.AsSpan())
        {
            stretch = stretch with { Adjustment = Adjustment(stretch.Adjustment, learningRate, unscale) };
        }

        Prepare();
        using var applying = Trace.Span("rule");
        rule.Apply(new UpdateOperands(arena, stretches, step, learningRate) { Path = Path });
        return true;
    }

    /// <summary>The regularization losses of the parameters as they are.</summary>
    public double Penalty()
    {
        using var regularizing = Trace.Span("regularization");
        return Regularization.Loss(arena, stretches);
    }

    private bool IsFinite()
    {
        using var checking = Trace.Span("finite check");
        return ArenaSums.GradientIsFinite(arena, stretches);
    }

    /// <summary>Finds what clipping multiplies by.</summary>
    private void Prepare()
    {
        if (clipping is null) return;
        using var bounding = Trace.Span("clip");
        clipping.Prepare(arena, stretches);
    }

    /// <summary>What comes before clipping, for the stretch that has these regularizers.</summary>
    private GradientAdjustment Adjustment(in GradientAdjustment regularizers, double learningRate, double unscale)
    {
        var (decay, coupled) = (rule.Decay.Rate, rule.Decay.Coupled);
        return GradientAdjustment.None with
        {
            Unscale = unscale,
            L1 = regularizers.L1,
            L2 = regularizers.L2,
            Coupled = coupled ? decay : 0,
            Decoupled = coupled ? 0 : learningRate * decay,
        };
    }
}
