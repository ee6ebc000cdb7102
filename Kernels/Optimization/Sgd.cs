using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Optimization;

/// <summary>
/// Gradient descent, with momentum μ: v ← μ·v − lr·g, p ← p + v; with Nesterov: p ← p + μ·v − lr·g.
/// </summary>
/// <remarks>
/// Keras' convention: the learning rate is inside the velocity. PyTorch's is outside: b ← μ·b + g, p ← p − lr·b, which
/// is the same at a constant rate (v = −lr·b), and takes effect at once on all of the velocity when the rate changes.
/// With Nesterov the arena holds the look-ahead point P + μ·v at which the gradient is taken, so the update leads from
/// one look-ahead point to the next.
/// </remarks>
public sealed class Sgd(double learningRate, double momentum, bool nesterov) : UpdateRule
{
    public static readonly UpdateRuleDefinition Definition = new(
        "sgd",
        "Gradient descent: p ← p − lr·g; with momentum μ: v ← μ·v − lr·g, p ← p + v; nesterov: p ← p + μ·v − lr·g.",
        "Polyak 1964; Nesterov 1983; Sutskever, Martens, Dahl, Hinton: On the importance of initialization and momentum in deep learning, ICML 2013.",
        [
            Setting.Real("lr", 0.01, 0, double.MaxValue, "The learning rate."),
            Setting.Real("momentum", 0, 0, 1, "How much of the last step is kept."),
            Setting.Flag("nesterov", "Take the gradient where momentum leads."),
            WeightDecay.RateSetting(0), WeightDecay.CoupledSetting,
        ],
        static s => new Sgd(s["lr"], s["momentum"], s.IsSet("nesterov")) { Decay = WeightDecay.Of(s) },
        "",
        "b ← μ·b + g, p ← p − lr·b, which is the same while lr is constant");

    public override IReadOnlyList<string> StateNames { get; } = momentum == 0 ? [] : ["velocity"];

    public override double LearningRate => learningRate;

    public override void Apply(in UpdateOperands operands)
    {
        var k = new Coefficients<double>(operands.LearningRate, momentum);
        switch (momentum, nesterov)
        {
            case (0, _): Elementwise.Run<Plain>(operands, k); break;
            case (_, false): Elementwise.Run<Momentum>(operands, k); break;
            default: Elementwise.Run<Nesterov>(operands, k); break;
        }
    }

    private readonly struct Plain : IElementwiseRule
    {
        public static int States => 0;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Update<TLane>(ref TLane p, TLane g, ref TLane a, ref TLane b, ref TLane c, in Coefficients<TLane> k)
            where TLane : struct, ILane<TLane> => p -= k.A * g;
    }

    private readonly struct Momentum : IElementwiseRule
    {
        public static int States => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Update<TLane>(ref TLane p, TLane g, ref TLane v, ref TLane b, ref TLane c, in Coefficients<TLane> k)
            where TLane : struct, ILane<TLane>
        {
            v = (k.B * v) - (k.A * g);
            p += v;
        }
    }

    private readonly struct Nesterov : IElementwiseRule
    {
        public static int States => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Update<TLane>(ref TLane p, TLane g, ref TLane v, ref TLane b, ref TLane c, in Coefficients<TLane> k)
            where TLane : struct, ILane<TLane>
        {
            v = (k.B * v) - (k.A * g);
            p = p + (k.B * v) - (k.A * g);
        }
    }
}
