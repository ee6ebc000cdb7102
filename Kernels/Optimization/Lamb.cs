using System.Runtime.CompilerServices;
using CnnCluster.Kernels.Arena;

namespace CnnCluster.Kernels.Optimization;

/// <summary>
/// LAMB: m and v as Adam's, u = (m/(1−β₁ᵗ)) / (√(v/(1−β₂ᵗ)) + ε), and for each parameter P p ← p − lr·(‖P‖/‖U‖)·u;
/// where either norm is 0 the ratio is 1.
/// </summary>
/// <remarks>
/// You and others, ICLR 2020, algorithm 2, as Keras has it: weight decay comes in front of the rule, where the paper has
/// u + w·p in the place of u.
/// </remarks>
public sealed class Lamb(double learningRate, double beta1, double beta2, double epsilon) : UpdateRule
{
    public static readonly UpdateRuleDefinition Definition = new(
        "lamb",
        "m and v as adam's, u = (m/(1−β₁ᵗ)) / (√(v/(1−β₂ᵗ)) + ε), p ← p − lr·(‖P‖/‖U‖)·u with the norms of the whole parameter P that p is of, and of its u; 1 where either is 0.",
        "You and others: Large batch optimization for deep learning, training BERT in 76 minutes, ICLR 2020; there decay is part of u.",
        [
            Setting.Real("lr", 0.001, 0, double.MaxValue, "The learning rate."),
            Setting.Kept("beta_1", 0.9, "How much of the mean of the gradients is kept."),
            Setting.Kept("beta_2", 0.999, "How much of the mean of their squares is kept."),
            Setting.Epsilon("Added to the corrected square root, against division by zero."),
            WeightDecay.RateSetting(0), WeightDecay.CoupledSetting,
        ],
        static s => new Lamb(s["lr"], s["beta_1"], s["beta_2"], s["epsilon"]) { Decay = WeightDecay.Of(s) },
        "behind the corrected root: √(v/(1−β₂ᵗ)) + ε",
        "not there");

    public override IReadOnlyList<string> StateNames { get; } = ["mean", "variance"];

    public override double LearningRate => learningRate;

    public override bool IsLayerwise => true;

    public override void Apply(in UpdateOperands operands)
    {
        var k = new Coefficients<double>(
            0, 1 - beta1, 1 - beta2, epsilon, 1 / (1 - Math.Pow(beta1, operands.Step)), 1 / (1 - Math.Pow(beta2, operands.Step)));
        Elementwise.Run<Moments>(operands, k);
        foreach (var part in Stretches.SegmentsOf(operands.Stretches.Span))
        {
            var parameter = operands with { Stretches = operands.Stretches[part] };
            Elementwise.Run<Move>(parameter, k with { A = operands.LearningRate * TrustRatio(parameter, k) });
        }
    }

    private static double TrustRatio(in UpdateOperands parameter, in Coefficients<double> k)
    {
        var (weights, updates) = (0.0, 0.0);
        var (arena, states) = (parameter.Arena, parameter.Arena.StateBuffers);
        foreach (ref readonly var stretch in parameter.Stretches.Span)
        {
            weights += ArenaSums.Sum<Square>(arena.ParameterBuffer, arena.ParameterBuffer, stretch, k);
            updates += ArenaSums.Sum<SquaredUpdate>(states[0], states[1], stretch, k);
        }

        return weights > 0 && updates > 0 ? Math.Sqrt(weights) / Math.Sqrt(updates) : 1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLane Direction<TLane>(TLane m, TLane v, in Coefficients<TLane> k)
        where TLane : struct, ILane<TLane> => m * k.E / (TLane.Sqrt(v * k.F) + k.D);

    private readonly struct Moments : IElementwiseRule
    {
        public static int States => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Update<TLane>(ref TLane p, TLane g, ref TLane m, ref TLane v, ref TLane c, in Coefficients<TLane> k)
            where TLane : struct, ILane<TLane>
        {
            m += k.B * (g - m);
            v += k.C * ((g * g) - v);
        }
    }

    private readonly struct Move : IElementwiseRule
    {
        public static int States => 2;

        public static bool TakesGradient => false;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Update<TLane>(ref TLane p, TLane g, ref TLane m, ref TLane v, ref TLane c, in Coefficients<TLane> k)
            where TLane : struct, ILane<TLane> => p -= k.A * Direction(m, v, k);
    }

    private readonly struct SquaredUpdate : ISummand
    {
        public static bool TakesBoth => true;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TLane Of<TLane>(TLane m, TLane v, in Coefficients<TLane> k)
            where TLane : struct, ILane<TLane> => Direction(m, v, k);
    }
}
