using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Optimization;

/// <summary>Adagrad: s ← s + g², p ← p − lr·g / √(s + ε), s from an initial value on.</summary>
/// <remarks>Duchi, Hazan, Singer, JMLR 2011, as Keras has it: ε stands under the root.</remarks>
public sealed class Adagrad(double learningRate, double initialAccumulator, double epsilon) : UpdateRule
{
    public static readonly UpdateRuleDefinition Definition = new(
        "adagrad",
        "s ← s + g², p ← p − lr·g / √(s + ε).",
        "Duchi, Hazan, Singer: Adaptive subgradient methods for online learning and stochastic optimization, JMLR 12, 2011.",
        [
            Setting.Real("lr", 0.001, 0, double.MaxValue, "The learning rate."),
            Setting.Real("initial-accumulator-value", 0.1, 0, double.MaxValue, "What s starts with."),
            Setting.Epsilon("Added under the root, against division by zero."),
            WeightDecay.RateSetting(0), WeightDecay.CoupledSetting,
        ],
        static s => new Adagrad(s["lr"], s["initial-accumulator-value"], s["epsilon"]) { Decay = WeightDecay.Of(s) },
        "under the root: √(s + ε)",
        "behind the root: √s + ε. lr 0.01, s from 0, ε 1e-10");

    public override IReadOnlyList<string> StateNames { get; } = ["squares"];

    public override double LearningRate => learningRate;

    public override double InitialState(string state) => initialAccumulator;

    public override void Apply(in UpdateOperands operands) =>
        Elementwise.Run<Rule>(operands, new Coefficients<double>(operands.LearningRate, epsilon));

    private readonly struct Rule : IElementwiseRule
    {
        public static int States => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Update<TLane>(ref TLane p, TLane g, ref TLane s, ref TLane b, ref TLane c, in Coefficients<TLane> k)
            where TLane : struct, ILane<TLane>
        {
            s += g * g;
            p -= k.A * g / TLane.Sqrt(s + k.B);
        }
    }
}
