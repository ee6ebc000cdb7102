using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Optimization;

/// <summary>
/// Nadam: Adam with Nesterov's momentum, which grows: μₜ = β₁·(1 − ½·0.96ᵗ), Πₜ = μ₁·…·μₜ; m and v as Adam's;
/// p ← p − lr·(μₜ₊₁·m/(1 − Πₜ₊₁) + (1 − μₜ)·g/(1 − Πₜ)) / (√(v/(1 − β₂ᵗ)) + ε).
/// </summary>
/// <remarks>Dozat, ICLR workshop 2016, as Keras 3 has it. PyTorch raises 0.96 to t·ψ, ψ (momentum_decay) 0.004; Keras' ψ is 1.</remarks>
public sealed class Nadam(double learningRate, double beta1, double beta2, double epsilon) : UpdateRule
{
    public static readonly UpdateRuleDefinition Definition = new(
        "nadam",
        "μₜ = β₁·(1 − ½·0.96ᵗ), Πₜ = μ₁·…·μₜ; m and v as adam's; p ← p − lr·(μₜ₊₁·m/(1 − Πₜ₊₁) + (1 − μₜ)·g/(1 − Πₜ)) / (√(v/(1 − β₂ᵗ)) + ε).",
        "Dozat: Incorporating Nesterov momentum into Adam, ICLR workshop 2016.",
        [
            Setting.Real("lr", 0.001, 0, double.MaxValue, "The learning rate."),
            Setting.Kept("beta_1", 0.9, "How much of the mean of the gradients is kept."),
            Setting.Kept("beta_2", 0.999, "How much of the mean of their squares is kept."),
            Setting.Epsilon("Added to the corrected square root, against division by zero."),
            WeightDecay.RateSetting(0), WeightDecay.CoupledSetting,
        ],
        static s => new Nadam(s["lr"], s["beta_1"], s["beta_2"], s["epsilon"]) { Decay = WeightDecay.Of(s) },
        "behind the corrected root: √(v/(1−β₂ᵗ)) + ε",
        "0.96 to the power t·ψ, ψ (`momentum_decay`) 0.004, where Keras has 0.96ᵗ; in 1.13 also one μ too many in Πₜ₊₁. lr 0.002, ε 1e-8");

    // A pure function of the step, kept so that the next step need not multiply from the first one on.
    private (long Step, double Value) product = (0, 1);

    public override IReadOnlyList<string> StateNames { get; } = ["mean", "variance"];

    public override double LearningRate => learningRate;

    public override void Apply(in UpdateOperands operands)
    {
        var (step, rate) = (operands.Step, operands.LearningRate);
        var upToNow = ProductTo(step);
        var (now, next) = (Momentum(step), Momentum(step + 1));
        Elementwise.Run<Rule>(operands, new Coefficients<double>(
            rate * next / (1 - (upToNow * next)),
            1 - beta1,
            1 - beta2,
            epsilon,
            rate * (1 - now) / (1 - upToNow),
            1 / (1 - Math.Pow(beta2, step))));
    }

    private double Momentum(long step) => beta1 * (1 - (0.5 * Math.Pow(0.96, step)));

    private double ProductTo(long step)
    {
        product = product.Step > step ? (0, 1) : product;
        var (done, value) = product;
        while (done < step && value > 0)
        {
            done++;
            value *= Momentum(done);
        }

        product = (step, value);
        return value;
    }

    private readonly struct Rule : IElementwiseRule
    {
        public static int States => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Update<TLane>(ref TLane p, TLane g, ref TLane m, ref TLane v, ref TLane c, in Coefficients<TLane> k)
            where TLane : struct, ILane<TLane>
        {
            m += k.B * (g - m);
            v += k.C * ((g * g) - v);
            p -= ((k.A * m) + (k.E * g)) / (TLane.Sqrt(v * k.F) + k.D);
        }
    }
}
