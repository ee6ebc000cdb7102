using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Optimization;

/// <summary>
/// Adam: m ← m + (1−β₁)(g − m), v ← v + (1−β₂)(g² − v), p ← p − α·m / (√v + ε), α = lr·√(1−β₂ᵗ) / (1−β₁ᵗ).
/// AMSGrad divides by the largest v so far; AdamW is Adam with decoupled weight decay.
/// </summary>
/// <remarks>Kingma, Ba: Adam, ICLR 2015, section 2's efficient form, as Keras has it: ε is added to the uncorrected √v.</remarks>
public sealed class Adam(double learningRate, double beta1, double beta2, double epsilon, bool amsgrad = false) : UpdateRule
{
    public static readonly UpdateRuleDefinition Definition = new(
        "adam",
        "m ← m + (1−β₁)(g − m), v ← v + (1−β₂)(g² − v), p ← p − α·m / (√v + ε) with α = lr·√(1−β₂ᵗ) / (1−β₁ᵗ); amsgrad: the largest v so far in the place of v.",
        "Kingma, Ba: Adam, a method for stochastic optimization, ICLR 2015; Reddi, Kale, Kumar: On the convergence of Adam and beyond, ICLR 2018.",
        [.. Settings, WeightDecay.RateSetting(0), WeightDecay.CoupledSetting],
        static s => Of(s, WeightDecay.Of(s)),
        "behind the uncorrected root: √v + ε",
        "behind the corrected root: √(v/(1−β₂ᵗ)) + ε. ε 1e-8");

    /// <summary>Adam with decoupled weight decay, whose words cannot couple it.</summary>
    public static readonly UpdateRuleDefinition WithDecoupledDecay = new(
        "adamw",
        "p ← p − lr·w·p, then as adam.",
        "Loshchilov, Hutter: Decoupled weight decay regularization, ICLR 2019.",
        [.. Settings, WeightDecay.RateSetting(0.004)],
        static s => Of(s, new WeightDecay(s["weight-decay"], false)),
        "as adam",
        "as for adam. ε 1e-8, w 0.01");

    private static IReadOnlyList<Setting> Settings =>
    [
        Setting.Real("lr", 0.001, 0, double.MaxValue, "The learning rate."),
        Setting.Kept("beta_1", 0.9, "How much of the mean of the gradients is kept."),
        Setting.Kept("beta_2", 0.999, "How much of the mean of their squares is kept."),
        Setting.Epsilon("Added to the square root, against division by zero."),
        Setting.Flag("amsgrad", "Divide by the root of the largest mean of squares so far."),
    ];

    public override IReadOnlyList<string> StateNames { get; } = amsgrad ? ["mean", "variance", "largest"] : ["mean", "variance"];

    public override double LearningRate => learningRate;

    public override void Apply(in UpdateOperands operands)
    {
        var step = operands.Step;
        var alpha = operands.LearningRate * Math.Sqrt(1 - Math.Pow(beta2, step)) / (1 - Math.Pow(beta1, step));
        var k = new Coefficients<double>(alpha, 1 - beta1, 1 - beta2, epsilon);
        if (amsgrad)
        {
            Elementwise.Run<AmsGrad>(operands, k);
        }
        else
        {
            Elementwise.Run<Plain>(operands, k);
        }
    }

    private static Adam Of(SettingValues s, WeightDecay decay) =>
        new(s["lr"], s["beta_1"], s["beta_2"], s["epsilon"], s.IsSet("amsgrad")) { Decay = decay };

    private readonly struct Plain : IElementwiseRule
    {
        public static int States => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Update<TLane>(ref TLane p, TLane g, ref TLane m, ref TLane v, ref TLane c, in Coefficients<TLane> k)
            where TLane : struct, ILane<TLane>
        {
            m += k.B * (g - m);
            v += k.C * ((g * g) - v);
            p -= k.A * m / (TLane.Sqrt(v) + k.D);
        }
    }

    private readonly struct AmsGrad : IElementwiseRule
    {
        public static int States => 3;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Update<TLane>(ref TLane p, TLane g, ref TLane m, ref TLane v, ref TLane largest, in Coefficients<TLane> k)
            where TLane : struct, ILane<TLane>
        {
            m += k.B * (g - m);
            v += k.C * ((g * g) - v);
            largest = TLane.Max(largest, v);
            p -= k.A * m / (TLane.Sqrt(largest) + k.D);
        }
    }
}
