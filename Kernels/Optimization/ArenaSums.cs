using System.Runtime.CompilerServices;
using CnnCluster.Kernels.Arena;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Optimization;

/// <summary>Sums over stretches of an arena: in double precision on the CPU, by tensor operations elsewhere.</summary>
internal static class ArenaSums
{
    /// <summary>Whether every element of the reduced gradient is a finite number.</summary>
    public static bool GradientIsFinite(ParameterArena arena, ReadOnlySpan<Stretch> stretches)
    {
        if (arena.Parameters.device_type != DeviceType.CPU)
        {
            return IsFinite(arena.Gradients);
        }

        foreach (ref readonly var stretch in stretches)
        {
            var finite = arena.Parameters.dtype == ScalarType.Float64
                ? Reductions.AreFinite<double>(arena.GradientBuffer.Elements<double>(stretch.Start, stretch.Length))
                : Reductions.AreFinite<float>(arena.GradientBuffer.Elements<float>(stretch.Start, stretch.Length));
            if (!finite) return false;
        }

        return true;
    }

    /// <summary>Σ over one stretch of what is made of an element of each buffer.</summary>
    public static double Sum<TSummand>(FlatBuffer x, FlatBuffer y, in Stretch stretch, in Coefficients<double> k)
        where TSummand : ISummand
    {
        var (start, length) = (stretch.Start, stretch.Length);
        if (x.Flat.device_type != DeviceType.CPU)
        {
            using var stretchX = x.Flat.narrow(0, start, length);
            using var stretchY = y.Flat.narrow(0, start, length);
            return TensorSum<TSummand>(stretchX, stretchY, k);
        }

        return x.Flat.dtype == ScalarType.Float64
            ? Reductions.Sum<TSummand, double>(x.Elements<double>(start, length), y.Elements<double>(start, length), k)
            : Reductions.Sum<TSummand, float>(x.Elements<float>(start, length), y.Elements<float>(start, length), k);
    }

    /// <summary>Whether a tensor's elements are all finite, wherever it lies.</summary>
    internal static bool IsFinite(Tensor values)
    {
        // Any NaN or infinity makes the sum of all elements one, unless infinities of both signs make it a NaN.
        using var sum = values.sum(ScalarType.Float64);
        return double.IsFinite(sum.item<double>());
    }

    /// <summary>The same sum by tensor operations.</summary>
    internal static double TensorSum<TSummand>(Tensor x, Tensor y, in Coefficients<double> k)
        where TSummand : ISummand
    {
        using var scope = NewDisposeScope();
        using var gradless = no_grad();
        var (type, device) = (x.dtype, x.device);
        var made = TSummand.Of(new TensorLane(x), new TensorLane(y), k.To(value => new TensorLane(tensor(value, dtype: type, device: device))));
        var wide = made.Value.to(ScalarType.Float64);
        return (TSummand.IsSquared ? wide.Squared() : wide).sum().item<double>();
    }
}

/// <summary>x², of elements as they are.</summary>
internal readonly struct Square : ISummand
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLane Of<TLane>(TLane x, TLane y, in Coefficients<TLane> k)
        where TLane : struct, ILane<TLane> => x;
}

/// <summary>|x|.</summary>
internal readonly struct Magnitude : ISummand
{
    public static bool IsSquared => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLane Of<TLane>(TLane x, TLane y, in Coefficients<TLane> k)
        where TLane : struct, ILane<TLane> => TLane.Abs(x);
}

/// <summary>(A·x)².</summary>
internal readonly struct ScaledSquare : ISummand
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLane Of<TLane>(TLane x, TLane y, in Coefficients<TLane> k)
        where TLane : struct, ILane<TLane> => k.A * x;
}

/// <summary>The square of a gradient x with its regularizers' for a weight y: (A·x + B·sign(y) + C·y)².</summary>
internal readonly struct RegularizedSquare : ISummand
{
    public static bool TakesBoth => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLane Of<TLane>(TLane x, TLane y, in Coefficients<TLane> k)
        where TLane : struct, ILane<TLane> => (k.A * x) + (k.B * TLane.Sign(y)) + (k.C * y);
}
