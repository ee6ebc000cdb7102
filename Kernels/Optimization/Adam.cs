namespace CnnCluster.Kernels.Optimization;

/// <summary>
/// Adam: m ← m + (1−β₁)(g − m), v ← v + (1−β₂)(g² − v), p ← p − α·m / (√v + ε), α = lr·√(1−β₂ᵗ) / (1−β₁ᵗ).
/// </summary>
/// <remarks>Kingma, Ba: Adam, ICLR 2015, section 2's efficient form, as Keras has it: ε is added to the uncorrected √v.</remarks>
public sealed class Adam(double learningRate, double beta1, double beta2, double epsilon) : UpdateRule
{
    public static readonly UpdateRuleDefinition Definition = new(
        "adam",
        "m ← m + (1−β₁)(g − m), v ← v + (1−β₂)(g² − v), p ← p − α·m / (√v + ε) with α = lr·√(1−β₂ᵗ) / (1−β₁ᵗ).",
        "Kingma, Ba: Adam, a method for stochastic optimization, ICLR 2015.",
        [
            Setting.Real("lr", 0.001, 0, double.MaxValue, "The learning rate."),
            Setting.Real("beta_1", 0.9, 0, 1, "How much of the mean of the gradients is kept."),
            Setting.Real("beta_2", 0.999, 0, 1, "How much of the mean of their squares is kept."),
            Setting.Real("epsilon", 1e-7, 0, double.MaxValue, "Added to the square root, against division by zero."),
        ],
        static s => new Adam(s["lr"], s["beta_1"], s["beta_2"], s["epsilon"]));

    public override IReadOnlyList<string> StateNames => ["mean", "variance"];

    public override double LearningRate => learningRate;

    public override void Apply(in UpdateOperands operands)
    {
        var step = operands.Step;
        var alpha = operands.LearningRate * Math.Sqrt(1 - Math.Pow(beta2, step)) / (1 - Math.Pow(beta1, step));
        Elementwise.Run<Rule>(operands, new Coefficients<double>(alpha, 1 - beta1, 1 - beta2, epsilon));
    }

    private readonly struct Rule : IElementwiseRule
    {
        public static void Update<TLane>(ref TLane p, TLane g, ref TLane m, ref TLane v, in Coefficients<TLane> k)
            where TLane : struct, ILane<TLane>
        {
            m += k.B * (g - m);
            v += k.C * ((g * g) - v);
            p -= k.A * m / (TLane.Sqrt(v) + k.D);
        }
    }
}
