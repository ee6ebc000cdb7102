using System.Numerics;
using System.Runtime.CompilerServices;
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

    /// <summary>−1, 0 or 1; a NaN stays one.</summary>
    static abstract TSelf Sign(TSelf value);

    static abstract TSelf Abs(TSelf value);

    /// <summary>The greater of both; a NaN where either is one.</summary>
    static abstract TSelf Max(TSelf a, TSelf b);

    /// <summary>The lesser of both; a NaN where either is one.</summary>
    static abstract TSelf Min(TSelf a, TSelf b);
}

/// <summary>A lane that lies in memory.</summary>
public interface IMemoryLane<TSelf, T> : ILane<TSelf>
    where TSelf : IMemoryLane<TSelf, T>
{
    /// <summary>Its elements.</summary>
    static abstract int Count { get; }

    static abstract TSelf Broadcast(double value);

    /// <summary>The elements from a place on; the caller knows that they are there.</summary>
    static abstract TSelf Load(ref readonly T first, nuint offset);

    void Store(ref T first, nuint offset);
}

/// <summary>One element.</summary>
public readonly record struct ScalarLane<T>(T Value) : IMemoryLane<ScalarLane<T>, T>
    where T : unmanaged, IFloatingPointIeee754<T>
{
    public static int Count => 1;

    public static ScalarLane<T> operator +(ScalarLane<T> a, ScalarLane<T> b) => new(a.Value + b.Value);

    public static ScalarLane<T> operator -(ScalarLane<T> a, ScalarLane<T> b) => new(a.Value - b.Value);

    public static ScalarLane<T> operator *(ScalarLane<T> a, ScalarLane<T> b) => new(a.Value * b.Value);

    public static ScalarLane<T> operator /(ScalarLane<T> a, ScalarLane<T> b) => new(a.Value / b.Value);

    public static ScalarLane<T> Sqrt(ScalarLane<T> value) => new(T.Sqrt(value.Value));

    public static ScalarLane<T> Sign(ScalarLane<T> value) =>
        value.Value > T.Zero ? new(T.One) : value.Value < T.Zero ? new(-T.One) : value;

    public static ScalarLane<T> Abs(ScalarLane<T> value) => new(T.Abs(value.Value));

    public static ScalarLane<T> Max(ScalarLane<T> a, ScalarLane<T> b) => new(T.Max(a.Value, b.Value));

    public static ScalarLane<T> Min(ScalarLane<T> a, ScalarLane<T> b) => new(T.Min(a.Value, b.Value));

    public static ScalarLane<T> Broadcast(double value) => new(T.CreateChecked(value));

    public static ScalarLane<T> Load(ref readonly T first, nuint offset) =>
        new(Unsafe.Add(ref Unsafe.AsRef(in first), offset));

    public void Store(ref T first, nuint offset) => Unsafe.Add(ref first, offset) = Value;
}

/// <summary>A whole tensor, on whatever device it lies.</summary>
public readonly record struct TensorLane(Tensor Value) : ILane<TensorLane>
{
    public static TensorLane operator +(TensorLane a, TensorLane b) => new(a.Value.Plus(b.Value));

    public static TensorLane operator -(TensorLane a, TensorLane b) => new(a.Value - b.Value);

    public static TensorLane operator *(TensorLane a, TensorLane b) => new(a.Value * b.Value);

    public static TensorLane operator /(TensorLane a, TensorLane b) => new(a.Value / b.Value);

    public static TensorLane Sqrt(TensorLane value) => new(value.Value.sqrt());

    // libtorch's own sign of a NaN is 0.
    public static TensorLane Sign(TensorLane value) => new(where(value.Value.isnan(), value.Value, value.Value.sign()));

    public static TensorLane Abs(TensorLane value) => new(value.Value.abs());

    public static TensorLane Max(TensorLane a, TensorLane b) => new(maximum(a.Value, b.Value));

    public static TensorLane Min(TensorLane a, TensorLane b) => new(minimum(a.Value, b.Value));
}
