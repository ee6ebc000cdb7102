using static TorchSharp.torch;

namespace CnnCluster.Kernels.Optimization;

/// <summary>A rule over whole tensors, for arenas that are not in this process's memory.</summary>
internal static class ElementwiseTensors
{
    public static void Run<TRule>(in UpdateOperands operands, in Coefficients<double> k)
        where TRule : IElementwiseRule
    {
        var stretches = operands.Stretches.Span;
        for (var i = 0; i < stretches.Length;)
        {
            var (start, length) = (stretches[i].Start, 0L);
            var adjustment = stretches[i].Adjustment;

            // As few operations as there are adjustments: the stretches' own length suits a cache, and not a device.
            for (; i < stretches.Length && stretches[i].Adjustment == adjustment; i++)
            {
                length += stretches[i].Length;
            }

            RunStretch<TRule>(operands, start, length, adjustment, k);
        }
    }

    private static void RunStretch<TRule>(
        in UpdateOperands operands, long start, long length, in GradientAdjustment adjustment, in Coefficients<double> k)
        where TRule : IElementwiseRule
    {
        using var scope = NewDisposeScope();
        using var gradless = no_grad();
        var arena = operands.Arena;
        var (type, device) = (arena.Parameters.dtype, arena.Parameters.device);
        var p = Part(arena.Parameters);
        var states = new TensorLane[3];
        for (var i = 0; i < states.Length; i++)
        {
            states[i] = i < TRule.States ? Part(arena.States[i]) : Constant(0);
        }

        var g = TRule.TakesGradient
            ? new AdjustmentLanes<TensorLane>(adjustment, Constant).Apply(ref p, Part(arena.Gradients))
            : Constant(0);
        TRule.Update(ref p, g, ref states[0], ref states[1], ref states[2], k.To(Constant));
        Part(arena.Parameters).Value.copy_(p.Value);
        for (var i = 0; i < TRule.States; i++)
        {
            Part(arena.States[i]).Value.copy_(states[i].Value);
        }

        TensorLane Part(Tensor whole) => new(whole.narrow(0, start, length));

        TensorLane Constant(double value) => new(tensor(value, dtype: type, device: device));
    }
}
