using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace CnnCluster.Kernels.Optimization;

/// <summary>What is summed for each place of two spans: made in the spans' own type, as an update makes it.</summary>
internal interface ISummand
{
    /// <summary>Whether the second span is looked at; else it may be empty.</summary>
    static virtual bool TakesBoth => false;

    /// <summary>Whether the squares are summed.</summary>
    static virtual bool IsSquared => true;

    static abstract TLane Of<TLane>(TLane x, TLane y, in Coefficients<TLane> k)
        where TLane : struct, ILane<TLane>;
}

/// <summary>
/// Sums over spans, in double precision and in one order whatever the machine's vectors: element i belongs to
/// accumulator i mod 32, and the accumulators are added up pairwise.
/// </summary>
internal static class Reductions
{
    private const int Accumulators = 32;

    public static double Sum<TSummand, T>(ReadOnlySpan<T> x, ReadOnlySpan<T> y, in Coefficients<double> k)
        where TSummand : ISummand
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        Span<double> sums = stackalloc double[Accumulators];
        sums.Clear();
        var whole = x.Length - (x.Length % Accumulators);
        if (Vector512.IsHardwareAccelerated)
        {
            AddWide<TSummand, T>(x[..whole], y, k.To(Vector512Lane<T>.Broadcast), sums);
        }
        else
        {
            AddNarrow<TSummand, T>(x[..whole], y, k.To(Vector256Lane<T>.Broadcast), sums);
        }

        AddRest<TSummand, T>(x, y, whole, k.To(ScalarLane<T>.Broadcast), sums);
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

    private static void AddRest<TSummand, T>(
        ReadOnlySpan<T> x, ReadOnlySpan<T> y, int from, in Coefficients<ScalarLane<T>> k, Span<double> sums)
        where TSummand : ISummand
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        for (var i = from; i < x.Length; i++)
        {
            var made = TSummand.Of(new ScalarLane<T>(x[i]), new(TSummand.TakesBoth ? y[i] : T.Zero), k).Value;
            var wide = double.CreateChecked(made);
            sums[i % Accumulators] += TSummand.IsSquared ? wide * wide : wide;
        }
    }

    /// <summary>Adds whole groups of elements, by vectors of 512 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void AddWide<TSummand, T>(
        ReadOnlySpan<T> x, ReadOnlySpan<T> y, in Coefficients<Vector512Lane<T>> k, Span<double> sums)
        where TSummand : ISummand
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        ref var firstX = ref MemoryMarshal.GetReference(x);
        ref var firstY = ref MemoryMarshal.GetReference(y);
        var (a, b, c, d) = (Vector512<double>.Zero, Vector512<double>.Zero, Vector512<double>.Zero, Vector512<double>.Zero);
        var numbers = k;
        for (nuint i = 0; i < (nuint)x.Length; i += Accumulators)
        {
            Add<TSummand, T>(ref firstX, ref firstY, i, numbers, ref a, ref b);
            Add<TSummand, T>(ref firstX, ref firstY, i + 16, numbers, ref c, ref d);
        }

        a.CopyTo(sums);
        b.CopyTo(sums[8..]);
        c.CopyTo(sums[16..]);
        d.CopyTo(sums[24..]);
    }

    /// <summary>The same by vectors of 256 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void AddNarrow<TSummand, T>(
        ReadOnlySpan<T> x, ReadOnlySpan<T> y, in Coefficients<Vector256Lane<T>> k, Span<double> sums)
        where TSummand : ISummand
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        ref var firstX = ref MemoryMarshal.GetReference(x);
        ref var firstY = ref MemoryMarshal.GetReference(y);
        for (nuint group = 0; group < Accumulators; group += 8)
        {
            var (a, b) = (Vector256<double>.Zero, Vector256<double>.Zero);
            var numbers = k;
            for (var i = group; i < (nuint)x.Length; i += Accumulators)
            {
                Add<TSummand, T>(ref firstX, ref firstY, i, numbers, ref a, ref b);
            }

            a.CopyTo(sums[(int)group..]);
            b.CopyTo(sums[((int)group + 4)..]);
        }
    }

    /// <summary>Adds 16 elements.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add<TSummand, T>(
        ref T x, ref T y, nuint i, in Coefficients<Vector512Lane<T>> k, ref Vector512<double> low, ref Vector512<double> high)
        where TSummand : ISummand
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        var first = Make<TSummand, Vector512Lane<T>, T>(ref x, ref y, i, k).Value;
        if (typeof(T) == typeof(float))
        {
            low += Term<TSummand>(Vector512.WidenLower(first.AsSingle()));
            high += Term<TSummand>(Vector512.WidenUpper(first.AsSingle()));
        }
        else
        {
            low += Term<TSummand>(first.AsDouble());
            high += Term<TSummand>(Make<TSummand, Vector512Lane<T>, T>(ref x, ref y, i + 8, k).Value.AsDouble());
        }
    }

    /// <summary>Adds 8 elements.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add<TSummand, T>(
        ref T x, ref T y, nuint i, in Coefficients<Vector256Lane<T>> k, ref Vector256<double> low, ref Vector256<double> high)
        where TSummand : ISummand
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        var first = Make<TSummand, Vector256Lane<T>, T>(ref x, ref y, i, k).Value;
        if (typeof(T) == typeof(float))
        {
            low += Term<TSummand>(Vector256.WidenLower(first.AsSingle()));
            high += Term<TSummand>(Vector256.WidenUpper(first.AsSingle()));
        }
        else
        {
            low += Term<TSummand>(first.AsDouble());
            high += Term<TSummand>(Make<TSummand, Vector256Lane<T>, T>(ref x, ref y, i + 4, k).Value.AsDouble());
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLane Make<TSummand, TLane, T>(ref T x, ref T y, nuint i, in Coefficients<TLane> k)
        where TSummand : ISummand
        where TLane : struct, IMemoryLane<TLane, T> =>
        TSummand.Of(TLane.Load(in x, i), TSummand.TakesBoth ? TLane.Load(in y, i) : default, k);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<double> Term<TSummand>(Vector512<double> made)
        where TSummand : ISummand => TSummand.IsSquared ? made * made : made;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Term<TSummand>(Vector256<double> made)
        where TSummand : ISummand => TSummand.IsSquared ? made * made : made;
}
