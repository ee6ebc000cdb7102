using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Optimization;

/// <summary>Lion: p ← p − lr·sign(β₁·m + (1−β₁)·g), then m ← β₂·m + (1−β₂)·g.</summary>
/// <remarks>Chen and others, NeurIPS 2023, algorithm 2.</remarks>
public sealed class Lion(double learningRate, double beta1, double beta2) : UpdateRule
{
    public static readonly UpdateRuleDefinition Definition = new(
        "lion",
        "p ← p − lr·sign(β₁·m + (1−β₁)·g), then m ← β₂·m + (1−β₂)·g.",
        "Chen and others: Symbolic discovery of optimization algorithms, NeurIPS 2023.",
        [
            Setting.Real("lr", 0.001, 0, double.MaxValue, "The learning rate: what every weight moves by; 3 to 10 times less than Adam's suits."),
            Setting.Kept("beta_1", 0.9, "How much the mean of the gradients counts in the direction."),
            Setting.Kept("beta_2", 0.99, "How much of the mean of the gradients is kept."),
            WeightDecay.RateSetting(0), WeightDecay.CoupledSetting,
        ],
        static s => new Lion(s["lr"], s["beta_1"], s["beta_2"]) { Decay = WeightDecay.Of(s) },
        "",
        "not there");

    public override IReadOnlyList<string> StateNames { get; } = ["mean"];

    public override double LearningRate => learningRate;

    public override void Apply(in UpdateOperands operands) =>
        Elementwise.Run<Rule>(operands, new Coefficients<double>(operands.LearningRate, beta1, 1 - beta1, beta2, 1 - beta2));

    private readonly struct Rule : IElementwiseRule
    {
        public static int States => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Update<TLane>(ref TLane p, TLane g, ref TLane m, ref TLane b, ref TLane c, in Coefficients<TLane> k)
            where TLane : struct, ILane<TLane>
        {
            p -= k.A * TLane.Sign((k.B * m) + (k.C * g));
            m = (k.D * m) + (k.E * g);
        }
    }
}
