using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace CnnCluster.Kernels.Optimization;

/// <summary>What a sum adds up for each place of two spans, in double precision.</summary>
internal interface ISummand
{
    /// <summary>Whether the second span is looked at; else it may be empty.</summary>
    static abstract bool TakesBoth { get; }

    static abstract TLane Of<TLane>(TLane x, TLane y, in Coefficients<TLane> k)
        where TLane : struct, ILane<TLane>;
}

/// <summary>
/// Sums over spans, in double precision and in one order whatever the machine's vectors: element i belongs to
/// accumulator i mod 16, and the accumulators are added up pairwise.
/// </summary>
internal static class Reductions
{
    private const int Accumulators = 16;

    public static double Sum<TSummand, T>(ReadOnlySpan<T> x, ReadOnlySpan<T> y, in Coefficients<double> k)
        where TSummand : ISummand
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        Span<double> sums = stackalloc double[Accumulators];
        sums.Clear();
        var whole = x.Length - (x.Length % Accumulators);
        AddVectors<TSummand, T>(x[..whole], y, k.To(Vector256Lane<double>.Broadcast), sums);
        var numbers = k.To(ScalarLane<double>.Broadcast);
        for (var i = whole; i < x.Length; i++)
        {
            var other = TSummand.TakesBoth ? double.CreateChecked(y[i]) : 0;
            sums[i % Accumulators] += TSummand.Of(new(double.CreateChecked(x[i])), new(other), numbers).Value;
        }

        for (var half = Accumulators / 2; half > 0; half /= 2)
        {
            for (var i = 0; i < half; i++)
            {
                sums[i] += sums[i + half];
            }
        }

        return sums[0];
    }

    /// <summary>Whether no element is infinite or not a number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool AreFinite<T>(ReadOnlySpan<T> values)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        // x − x is +0 for every finite x, whose bits are all zero, and a NaN for any other.
        ref var first = ref MemoryMarshal.GetReference(values);
        var (a, b, c, d) = (Vector256<T>.Zero, Vector256<T>.Zero, Vector256<T>.Zero, Vector256<T>.Zero);
        var count = (nuint)Vector256<T>.Count;
        var i = (nuint)0;
        for (; i + (4 * count) <= (nuint)values.Length; i += 4 * count)
        {
            a |= Difference(ref first, i);
            b |= Difference(ref first, i + count);
            c |= Difference(ref first, i + (2 * count));
            d |= Difference(ref first, i + (3 * count));
        }

        for (; i < (nuint)values.Length; i++)
        {
            if (!T.IsFinite(values[(int)i])) return false;
        }

        return ((a | b | c | d).AsUInt64()) == Vector256<ulong>.Zero;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<T> Difference<T>(ref T first, nuint i)
        where T : unmanaged
    {
        var x = Vector256.LoadUnsafe(ref first, i);
        return x - x;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddVectors<TSummand, T>(
        ReadOnlySpan<T> x, ReadOnlySpan<T> y, in Coefficients<Vector256Lane<double>> k, Span<double> sums)
        where TSummand : ISummand
        where T : unmanaged
    {
        ref var firstX = ref MemoryMarshal.GetReference(x);
        ref var firstY = ref MemoryMarshal.GetReference(y);
        var (a, b, c, d) = (Vector256<double>.Zero, Vector256<double>.Zero, Vector256<double>.Zero, Vector256<double>.Zero);
        var numbers = k;
        for (nuint i = 0; i < (nuint)x.Length; i += Accumulators)
        {
            a += Term<TSummand, T>(ref firstX, ref firstY, i, numbers);
            b += Term<TSummand, T>(ref firstX, ref firstY, i + 4, numbers);
            c += Term<TSummand, T>(ref firstX, ref firstY, i + 8, numbers);
            d += Term<TSummand, T>(ref firstX, ref firstY, i + 12, numbers);
        }

        a.CopyTo(sums);
        b.CopyTo(sums[4..]);
        c.CopyTo(sums[8..]);
        d.CopyTo(sums[12..]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Term<TSummand, T>(ref T x, ref T y, nuint i, in Coefficients<Vector256Lane<double>> k)
        where TSummand : ISummand
        where T : unmanaged =>
        TSummand.Of(new Vector256Lane<double>(Wide(ref x, i)), new(TSummand.TakesBoth ? Wide(ref y, i) : default), k).Value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Wide<T>(ref T first, nuint i)
        where T : unmanaged
    {
        if (typeof(T) == typeof(double))
        {
            return Vector256.LoadUnsafe(ref Unsafe.As<T, double>(ref first), i);
        }

        var four = Vector128.LoadUnsafe(ref Unsafe.As<T, float>(ref first), i);
        var (low, high) = Vector128.Widen(four);
        return Vector256.Create(low, high);
    }
}
