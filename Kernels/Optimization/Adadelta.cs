using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Optimization;

/// <summary>Adadelta: s ← ρ·s + (1−ρ)·g², d = √(u + ε)·g / √(s + ε), u ← ρ·u + (1−ρ)·d², p ← p − lr·d.</summary>
/// <remarks>Zeiler, arXiv 1212.5701, algorithm 1, which has no learning rate: lr is 1 there.</remarks>
public sealed class Adadelta(double learningRate, double rho, double epsilon) : UpdateRule
{
    public static readonly UpdateRuleDefinition Definition = new(
        "adadelta",
        "s ← ρ·s + (1−ρ)·g², d = √(u + ε)·g / √(s + ε), u ← ρ·u + (1−ρ)·d², p ← p − lr·d.",
        "Zeiler: ADADELTA, an adaptive learning rate method, arXiv 1212.5701.",
        [
            Setting.Real("lr", 0.001, 0, double.MaxValue, "The learning rate; 1 in the paper."),
            Setting.Real("rho", 0.95, 0, 1, "ρ, how much of the means of squares is kept."),
            Setting.Epsilon("Added under both roots: what the first steps are made of."),
            WeightDecay.RateSetting(0), WeightDecay.CoupledSetting,
        ],
        static s => new Adadelta(s["lr"], s["rho"], s["epsilon"]) { Decay = WeightDecay.Of(s) },
        "under both roots",
        "the same place. lr 1, ρ 0.9, ε 1e-6");

    public override IReadOnlyList<string> StateNames { get; } = ["squares", "updates"];

    public override double LearningRate => learningRate;

    public override void Apply(in UpdateOperands operands) =>
        Elementwise.Run<Rule>(operands, new Coefficients<double>(operands.LearningRate, rho, 1 - rho, epsilon));

    private readonly struct Rule : IElementwiseRule
    {
        public static int States => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Update<TLane>(ref TLane p, TLane g, ref TLane s, ref TLane u, ref TLane c, in Coefficients<TLane> k)
            where TLane : struct, ILane<TLane>
        {
            s = (k.B * s) + (k.C * (g * g));
            var d = TLane.Sqrt(u + k.D) * g / TLane.Sqrt(s + k.D);
            u = (k.B * u) + (k.C * (d * d));
            p -= k.A * d;
        }
    }
}
