using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace CnnCluster.Kernels.Optimization;

/// <summary>128 bits of elements.</summary>
public readonly record struct Vector128Lane<T>(Vector128<T> Value) : IMemoryLane<Vector128Lane<T>, T>
    where T : unmanaged, IFloatingPointIeee754<T>
{
    public static int Count => Vector128<T>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128Lane<T> operator +(Vector128Lane<T> a, Vector128Lane<T> b) => new(a.Value + b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128Lane<T> operator -(Vector128Lane<T> a, Vector128Lane<T> b) => new(a.Value - b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128Lane<T> operator *(Vector128Lane<T> a, Vector128Lane<T> b) => new(a.Value * b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128Lane<T> operator /(Vector128Lane<T> a, Vector128Lane<T> b) => new(a.Value / b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128Lane<T> Sqrt(Vector128Lane<T> value) => new(Vector128.Sqrt(value.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128Lane<T> Sign(Vector128Lane<T> value)
    {
        var negative = Vector128.ConditionalSelect(Vector128.LessThan(value.Value, default), Vector128.Create(-T.One), value.Value);
        return new(Vector128.ConditionalSelect(Vector128.GreaterThan(value.Value, default), Vector128.Create(T.One), negative));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128Lane<T> Abs(Vector128Lane<T> value) => new(Vector128.Abs(value.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128Lane<T> Max(Vector128Lane<T> a, Vector128Lane<T> b) => new(Vector128.Max(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128Lane<T> Min(Vector128Lane<T> a, Vector128Lane<T> b) => new(Vector128.Min(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128Lane<T> Broadcast(double value) => new(Vector128.Create(T.CreateChecked(value)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128Lane<T> Load(ref readonly T first, nuint offset) => new(Vector128.LoadUnsafe(in first, offset));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(ref T first, nuint offset) => Value.StoreUnsafe(ref first, offset);
}

/// <summary>256 bits of elements.</summary>
public readonly record struct Vector256Lane<T>(Vector256<T> Value) : IMemoryLane<Vector256Lane<T>, T>
    where T : unmanaged, IFloatingPointIeee754<T>
{
    public static int Count => Vector256<T>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256Lane<T> operator +(Vector256Lane<T> a, Vector256Lane<T> b) => new(a.Value + b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256Lane<T> operator -(Vector256Lane<T> a, Vector256Lane<T> b) => new(a.Value - b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256Lane<T> operator *(Vector256Lane<T> a, Vector256Lane<T> b) => new(a.Value * b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256Lane<T> operator /(Vector256Lane<T> a, Vector256Lane<T> b) => new(a.Value / b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256Lane<T> Sqrt(Vector256Lane<T> value) => new(Vector256.Sqrt(value.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256Lane<T> Sign(Vector256Lane<T> value)
    {
        var negative = Vector256.ConditionalSelect(Vector256.LessThan(value.Value, default), Vector256.Create(-T.One), value.Value);
        return new(Vector256.ConditionalSelect(Vector256.GreaterThan(value.Value, default), Vector256.Create(T.One), negative));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256Lane<T> Abs(Vector256Lane<T> value) => new(Vector256.Abs(value.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256Lane<T> Max(Vector256Lane<T> a, Vector256Lane<T> b) => new(Vector256.Max(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256Lane<T> Min(Vector256Lane<T> a, Vector256Lane<T> b) => new(Vector256.Min(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256Lane<T> Broadcast(double value) => new(Vector256.Create(T.CreateChecked(value)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256Lane<T> Load(ref readonly T first, nuint offset) => new(Vector256.LoadUnsafe(in first, offset));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(ref T first, nuint offset) => Value.StoreUnsafe(ref first, offset);
}

/// <summary>512 bits of elements.</summary>
public readonly record struct Vector512Lane<T>(Vector512<T> Value) : IMemoryLane<Vector512Lane<T>, T>
    where T : unmanaged, IFloatingPointIeee754<T>
{
    public static int Count => Vector512<T>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512Lane<T> operator +(Vector512Lane<T> a, Vector512Lane<T> b) => new(a.Value + b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512Lane<T> operator -(Vector512Lane<T> a, Vector512Lane<T> b) => new(a.Value - b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512Lane<T> operator *(Vector512Lane<T> a, Vector512Lane<T> b) => new(a.Value * b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512Lane<T> operator /(Vector512Lane<T> a, Vector512Lane<T> b) => new(a.Value / b.Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512Lane<T> Sqrt(Vector512Lane<T> value) => new(Vector512.Sqrt(value.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512Lane<T> Sign(Vector512Lane<T> value)
    {
        var negative = Vector512.ConditionalSelect(Vector512.LessThan(value.Value, default), Vector512.Create(-T.One), value.Value);
        return new(Vector512.ConditionalSelect(Vector512.GreaterThan(value.Value, default), Vector512.Create(T.One), negative));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512Lane<T> Abs(Vector512Lane<T> value) => new(Vector512.Abs(value.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512Lane<T> Max(Vector512Lane<T> a, Vector512Lane<T> b) => new(Vector512.Max(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512Lane<T> Min(Vector512Lane<T> a, Vector512Lane<T> b) => new(Vector512.Min(a.Value, b.Value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512Lane<T> Broadcast(double value) => new(Vector512.Create(T.CreateChecked(value)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512Lane<T> Load(ref readonly T first, nuint offset) => new(Vector512.LoadUnsafe(in first, offset));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(ref T first, nuint offset) => Value.StoreUnsafe(ref first, offset);
}
