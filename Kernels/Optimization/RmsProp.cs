using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Optimization;

/// <summary>
/// RMSprop: s ← ρ·s + (1−ρ)·g², u = lr·g / √(s + ε), p ← p − u; centered: m ← ρ·m + (1−ρ)·g, and s − m² in the place of s;
/// with momentum μ: v ← μ·v + u, p ← p − v.
/// </summary>
/// <remarks>
/// Hinton, lecture 6e, 2012; centred: Graves, arXiv 1308.0850, equations 38 to 41. As Keras has it: ε stands under the
/// root. A variance is not negative: where rounding makes s − m² so, it counts as 0, where Keras and PyTorch have a NaN.
/// </remarks>
public sealed class RmsProp(double learningRate, double rho, double momentum, double epsilon, bool centered) : UpdateRule
{
    public static readonly UpdateRuleDefinition Definition = new(
        "rmsprop",
        "s ← ρ·s + (1−ρ)·g², u = lr·g / √(s + ε), p ← p − u; centered: m ← ρ·m + (1−ρ)·g, u = lr·g / √(s − m² + ε); with momentum μ: v ← μ·v + u, p ← p − v.",
        "Hinton: Neural networks for machine learning, lecture 6e, 2012; centered: Graves, arXiv 1308.0850.",
        [
            Setting.Real("lr", 0.001, 0, double.MaxValue, "The learning rate."),
            Setting.Real("rho", 0.9, 0, 1, "ρ, how much of the means is kept."),
            Setting.Real("momentum", 0, 0, 1, "μ, how much of the last step is kept."),
            Setting.Epsilon("Added under the root, against division by zero."),
            Setting.Flag("centered", "Divide by the deviation rather than the root of the mean square."),
            WeightDecay.RateSetting(0), WeightDecay.CoupledSetting,
        ],
        static s => new RmsProp(s["lr"], s["rho"], s["momentum"], s["epsilon"], s.IsSet("centered")) { Decay = WeightDecay.Of(s) },
        "under the root: √(s + ε)",
        "behind the root: √s + ε; lr outside of v. lr 0.01, ρ (`alpha`) 0.99, ε 1e-8");

    public override IReadOnlyList<string> StateNames { get; } =
        [.. (string[])["squares"], .. centered ? (string[])["mean"] : [], .. momentum == 0 ? [] : (string[])["velocity"]];

    public override double LearningRate => learningRate;

    public override void Apply(in UpdateOperands operands)
    {
        var k = new Coefficients<double>(operands.LearningRate, rho, 1 - rho, epsilon, momentum);
        switch (centered, momentum)
        {
            case (false, 0): Elementwise.Run<Plain>(operands, k); break;
            case (false, _): Elementwise.Run<Momentum>(operands, k); break;
            case (true, 0): Elementwise.Run<Centered>(operands, k); break;
            default: Elementwise.Run<CenteredMomentum>(operands, k); break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLane Move<TLane>(TLane g, ref TLane s, in Coefficients<TLane> k)
        where TLane : struct, ILane<TLane>
    {
        s = (k.B * s) + (k.C * (g * g));
        return k.A * g / TLane.Sqrt(s + k.D);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLane CenteredMove<TLane>(TLane g, ref TLane s, ref TLane m, in Coefficients<TLane> k)
        where TLane : struct, ILane<TLane>
    {
        s = (k.B * s) + (k.C * (g * g));
        m = (k.B * m) + (k.C * g);
        return k.A * g / TLane.Sqrt(TLane.Max(s - (m * m), k.F) + k.D);
    }

    private readonly struct Plain : IElementwiseRule
    {
        public static int States => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Update<TLane>(ref TLane p, TLane g, ref TLane s, ref TLane b, ref TLane c, in Coefficients<TLane> k)
            where TLane : struct, ILane<TLane> => p -= Move(g, ref s, k);
    }

    private readonly struct Momentum : IElementwiseRule
    {
        public static int States => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Update<TLane>(ref TLane p, TLane g, ref TLane s, ref TLane v, ref TLane c, in Coefficients<TLane> k)
            where TLane : struct, ILane<TLane>
        {
            v = (k.E * v) + Move(g, ref s, k);
            p -= v;
        }
    }

    private readonly struct Centered : IElementwiseRule
    {
        public static int States => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Update<TLane>(ref TLane p, TLane g, ref TLane s, ref TLane m, ref TLane c, in Coefficients<TLane> k)
            where TLane : struct, ILane<TLane> => p -= CenteredMove(g, ref s, ref m, k);
    }

    private readonly struct CenteredMomentum : IElementwiseRule
    {
        public static int States => 3;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Update<TLane>(ref TLane p, TLane g, ref TLane s, ref TLane m, ref TLane v, in Coefficients<TLane> k)
            where TLane : struct, ILane<TLane>
        {
            v = (k.E * v) + CenteredMove(g, ref s, ref m, k);
            p -= v;
        }
    }
}
