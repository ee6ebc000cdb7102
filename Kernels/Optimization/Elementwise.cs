using System.Numerics;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Optimization;

/// <summary>A rule's numbers for one step, in an order of the rule's own.</summary>
public readonly record struct Coefficients<TLane>(TLane A, TLane B, TLane C, TLane D);

/// <summary>A rule's arithmetic on one lane; states that the rule does not keep are left alone.</summary>
public interface IElementwiseRule
{
    static abstract void Update<TLane>(
        ref TLane parameter, TLane gradient, ref TLane first, ref TLane second, in Coefficients<TLane> k)
        where TLane : struct, ILane<TLane>;
}

/// <summary>Runs a rule over whole tensors: in place on raw memory on the CPU, as tensor operations elsewhere.</summary>
public static class Elementwise
{
    /// <param name="operands">The tensors, with at most two states.</param>
    /// <param name="k">The rule's numbers.</param>
    public static void Run<TRule>(in UpdateOperands operands, in Coefficients<double> k)
        where TRule : IElementwiseRule
    {
        if (operands.AsTensors || operands.Parameters.device_type != DeviceType.CPU)
        {
            RunTensors<TRule>(operands, k);
        }
        else if (operands.Parameters.dtype == ScalarType.Float64)
        {
            RunMemory<TRule, double>(operands, k);
        }
        else
        {
            RunMemory<TRule, float>(operands, k);
        }
    }

    /// <summary>The same on spans; a state's span is empty where the rule keeps fewer states.</summary>
    public static void Run<TRule, T>(
        Span<T> parameters, ReadOnlySpan<T> gradients, Span<T> first, Span<T> second, in Coefficients<double> k)
        where TRule : IElementwiseRule
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        var i = 0;
        var vectors = new Coefficients<VectorLane<T>>(Broadcast(k.A), Broadcast(k.B), Broadcast(k.C), Broadcast(k.D));
        for (; i <= parameters.Length - Vector512<T>.Count; i += Vector512<T>.Count)
        {
            var (p, g) = (Load<T>(parameters, i), Load(gradients, i));
            var (a, b) = (Load<T>(first, i), Load<T>(second, i));
            TRule.Update(ref p, g, ref a, ref b, vectors);
            Store(p, parameters, i);
            Store(a, first, i);
            Store(b, second, i);
        }

        var scalars = new Coefficients<ScalarLane<T>>(Convert(k.A), Convert(k.B), Convert(k.C), Convert(k.D));
        for (; i < parameters.Length; i++)
        {
            var (p, g) = (new ScalarLane<T>(parameters[i]), new ScalarLane<T>(gradients[i]));
            var a = new ScalarLane<T>(first.IsEmpty ? default : first[i]);
            var b = new ScalarLane<T>(second.IsEmpty ? default : second[i]);
            TRule.Update(ref p, g, ref a, ref b, scalars);
            parameters[i] = p.Value;
            if (!first.IsEmpty) first[i] = a.Value;
            if (!second.IsEmpty) second[i] = b.Value;
        }

        static ScalarLane<T> Convert(double value) => new(T.CreateChecked(value));

        static VectorLane<T> Broadcast(double value) => new(Vector512.Create(T.CreateChecked(value)));
    }

    private static VectorLane<T> Load<T>(ReadOnlySpan<T> source, int i) =>
        source.IsEmpty ? default : new VectorLane<T>(Vector512.Create(source.Slice(i, Vector512<T>.Count)));

    private static void Store<T>(VectorLane<T> value, Span<T> destination, int i)
    {
        if (!destination.IsEmpty)
        {
            value.Value.CopyTo(destination.Slice(i, Vector512<T>.Count));
        }
    }

    private static void RunMemory<TRule, T>(in UpdateOperands operands, in Coefficients<double> k)
        where TRule : IElementwiseRule
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        var states = operands.States;
        Run<TRule, T>(
            TensorMemory.Span<T>(operands.Parameters), TensorMemory.Span<T>(operands.Gradients),
            states.Count > 0 ? TensorMemory.Span<T>(states[0]) : [],
            states.Count > 1 ? TensorMemory.Span<T>(states[1]) : [], k);
    }

    private static void RunTensors<TRule>(in UpdateOperands operands, in Coefficients<double> k)
        where TRule : IElementwiseRule
    {
        using var scope = NewDisposeScope();
        using var gradless = no_grad();
        var (type, device) = (operands.Parameters.dtype, operands.Parameters.device);
        var tensors = new Coefficients<TensorLane>(Constant(k.A), Constant(k.B), Constant(k.C), Constant(k.D));
        var p = new TensorLane(operands.Parameters);
        var a = new TensorLane(operands.States.Count > 0 ? operands.States[0] : Constant(0).Value);
        var b = new TensorLane(operands.States.Count > 1 ? operands.States[1] : Constant(0).Value);
        TRule.Update(ref p, new TensorLane(operands.Gradients), ref a, ref b, tensors);
        operands.Parameters.copy_(p.Value);
        if (operands.States.Count > 0) operands.States[0].copy_(a.Value);
        if (operands.States.Count > 1) operands.States[1].copy_(b.Value);

        TensorLane Constant(double value) => new(tensor(value, dtype: type, device: device));
    }
}
