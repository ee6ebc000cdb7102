using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Optimization;

/// <summary>
/// What an update rule computes with: one element, a vector of them, or a whole tensor. A rule is written once over
/// lanes; there is no fused multiply-add, so a vector's elements have the bits that the scalar code gives.
/// </summary>
public interface ILane<TSelf> :
    IAdditionOperators<TSelf, TSelf, TSelf>,
    ISubtractionOperators<TSelf, TSelf, TSelf>,
    IMultiplyOperators<TSelf, TSelf, TSelf>,
    IDivisionOperators<TSelf, TSelf, TSelf>
    where TSelf : ILane<TSelf>
{
    static abstract TSelf Sqrt(TSelf value);
}

/// <summary>One element.</summary>
public readonly record struct ScalarLane<T>(T Value) : ILane<ScalarLane<T>>
    where T : IFloatingPointIeee754<T>
{
    public static ScalarLane<T> operator +(ScalarLane<T> a, ScalarLane<T> b) => new(a.Value + b.Value);

    public static ScalarLane<T> operator -(ScalarLane<T> a, ScalarLane<T> b) => new(a.Value - b.Value);

    public static ScalarLane<T> operator *(ScalarLane<T> a, ScalarLane<T> b) => new(a.Value * b.Value);

    public static ScalarLane<T> operator /(ScalarLane<T> a, ScalarLane<T> b) => new(a.Value / b.Value);

    public static ScalarLane<T> Sqrt(ScalarLane<T> value) => new(T.Sqrt(value.Value));
}

/// <summary>512 bits of elements; where the machine has narrower vectors, .NET uses two or four of them.</summary>
public readonly record struct VectorLane<T>(Vector512<T> Value) : ILane<VectorLane<T>>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static VectorLane<T> operator +(VectorLane<T> a, VectorLane<T> b) => new(a.Value + b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static VectorLane<T> operator -(VectorLane<T> a, VectorLane<T> b) => new(a.Value - b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static VectorLane<T> operator *(VectorLane<T> a, VectorLane<T> b) => new(a.Value * b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static VectorLane<T> operator /(VectorLane<T> a, VectorLane<T> b) => new(a.Value / b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static VectorLane<T> Sqrt(VectorLane<T> value) => new(Vector512.Sqrt(value.Value));
}

/// <summary>A whole tensor, on whatever device it lies.</summary>
public readonly record struct TensorLane(Tensor Value) : ILane<TensorLane>
{
    public static TensorLane operator +(TensorLane a, TensorLane b) => new(a.Value + b.Value);

    public static TensorLane operator -(TensorLane a, TensorLane b) => new(a.Value - b.Value);

    public static TensorLane operator *(TensorLane a, TensorLane b) => new(a.Value * b.Value);

    public static TensorLane operator /(TensorLane a, TensorLane b) => new(a.Value / b.Value);

    public static TensorLane Sqrt(TensorLane value) => new(value.Value.sqrt());
}
