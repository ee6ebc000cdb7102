using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Optimization;

/// <summary>What a reduced gradient meets before its rule takes it, in this order; a weight decays in front of the rule.</summary>
/// <param name="Unscale">The gradient is multiplied by this: 1, or one over the scale of the loss.</param>
/// <param name="L1">λ₁ of the regularizer: λ₁·sign(p) is added.</param>
/// <param name="L2">λ₂ of the regularizer: 2·λ₂·p is added.</param>
/// <param name="Shrink">What clipping by a norm multiplies by.</param>
/// <param name="Limit">What clipping by value keeps each element within; infinite for none.</param>
/// <param name="Coupled">Coupled weight decay w: w·p is added.</param>
/// <param name="Decoupled">The share of p that decoupled weight decay takes: lr·w.</param>
public readonly record struct GradientAdjustment(
    double Unscale, double L1, double L2, double Shrink, double Limit, double Coupled, double Decoupled)
{
    /// <summary>The gradient as it is.</summary>
    public static GradientAdjustment None { get; } = new(1, 0, 0, 1, double.PositiveInfinity, 0, 0);
}

/// <summary>A stretch of an arena whose elements are treated alike.</summary>
/// <param name="Start">Its first element.</param>
/// <param name="Length">At most <see cref="Stretches.Block"/>.</param>
/// <param name="Segment">The arena's segment it begins in; the only one where stretches are kept apart.</param>
/// <param name="Adjustment">What its gradient meets.</param>
public readonly record struct Stretch(long Start, int Length, int Segment, GradientAdjustment Adjustment);

/// <summary>An adjustment over lanes. What does not apply is left out, so that an infinity times zero makes no NaN.</summary>
internal readonly ref struct AdjustmentLanes<TLane>(in GradientAdjustment a, Func<double, TLane> lane)
    where TLane : struct, ILane<TLane>
{
    private readonly bool unscales = a.Unscale != 1;
    private readonly bool lassos = a.L1 > 0;
    private readonly bool ridges = a.L2 > 0;
    private readonly bool shrinks = a.Shrink != 1;
    private readonly bool clamps = !double.IsPositiveInfinity(a.Limit);
    private readonly bool couples = a.Coupled > 0;
    private readonly bool decays = a.Decoupled > 0;
    private readonly TLane unscale = lane(a.Unscale);
    private readonly TLane l1 = lane(a.L1);
    private readonly TLane slope2 = lane(2 * a.L2);
    private readonly TLane shrink = lane(a.Shrink);
    private readonly TLane least = lane(-a.Limit);
    private readonly TLane most = lane(a.Limit);
    private readonly TLane coupled = lane(a.Coupled);
    private readonly TLane decoupled = lane(a.Decoupled);

    /// <summary>The gradient with the regularizers', before clipping.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TLane Regularized(TLane p, TLane g)
    {
        if (unscales) g *= unscale;
        if (lassos) g += l1 * TLane.Sign(p);
        if (ridges) g += slope2 * p;
        return g;
    }

    /// <summary>The gradient that the rule takes; the weight decays.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TLane Apply(ref TLane p, TLane g)
    {
        g = Regularized(p, g);
        if (shrinks) g *= shrink;
        if (clamps) g = TLane.Min(TLane.Max(g, least), most);
        if (couples) g += coupled * p;
        if (decays) p -= decoupled * p;
        return g;
    }
}
