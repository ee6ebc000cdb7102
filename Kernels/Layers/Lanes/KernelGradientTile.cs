using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>The positions that a sum runs over: offsets into the input and into the output's gradient, in floats.</summary>
internal readonly unsafe ref struct Positions(int* inputs, int* gradients, int count)
{
    public readonly int* Inputs = inputs;
    public readonly int* Gradients = gradients;
    public readonly int Count = count;
}

/// <summary>
/// The gradient of a kernel, a tile at once and lane by lane: r[k][t] += Σₚ z[k][p]·x[p + t] for six output channels k
/// and four taps t. The lanes' sum is left for later, when all blocks have been added.
/// </summary>
internal static unsafe class KernelGradientTile
{
    /// <param name="z">The output's gradient at its first channel; five further channels follow.</param>
    /// <param name="zPitch">Floats from one of them to the next.</param>
    /// <param name="at">P positions.</param>
    /// <param name="t0">The input at the first tap.</param>
    /// <param name="t1">The second tap.</param>
    /// <param name="t2">The third tap.</param>
    /// <param name="t3">The fourth tap.</param>
    /// <param name="sums">The first channel's four sums of 16 lanes, added to.</param>
    /// <param name="sumPitch">Floats from a channel's sums to the next's.</param>
    public static void Run<T>(
        float* z, nint zPitch, Positions at, float* t0, float* t1, float* t2, float* t3, float* sums, nint sumPitch)
        where T : unmanaged, ILanes<T>
    {
        for (var lane = 0; lane < LaneLayout.Samples; lane += T.Count)
        {
            if (T.ManyRegisters)
            {
                Whole<T>(z + lane, zPitch, at, t0 + lane, t1 + lane, t2 + lane, t3 + lane, sums + lane, sumPitch);
                continue;
            }

            for (var row = 0; row < Tile.Rows; row += 2)
            {
                var part = z + lane + (row * zPitch);
                var partSums = sums + lane + (row * sumPitch);
                TwoRows<T>(part, zPitch, at, t0 + lane, t1 + lane, t2 + lane, t3 + lane, partSums, sumPitch);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Whole<T>(
        float* z, nint zPitch, Positions at, float* t0, float* t1, float* t2, float* t3, float* sums, nint sumPitch)
        where T : unmanaged, ILanes<T>
    {
        T a0 = T.Zero, a1 = T.Zero, a2 = T.Zero, a3 = T.Zero;
        T b0 = T.Zero, b1 = T.Zero, b2 = T.Zero, b3 = T.Zero;
        T c0 = T.Zero, c1 = T.Zero, c2 = T.Zero, c3 = T.Zero;
        T d0 = T.Zero, d1 = T.Zero, d2 = T.Zero, d3 = T.Zero;
        T e0 = T.Zero, e1 = T.Zero, e2 = T.Zero, e3 = T.Zero;
        T f0 = T.Zero, f1 = T.Zero, f2 = T.Zero, f3 = T.Zero;
        float* z1 = z + (1 * zPitch), z2 = z + (2 * zPitch), z3 = z + (3 * zPitch), z4 = z + (4 * zPitch), z5 = z + (5 * zPitch);
        for (var p = 0; p < at.Count; p++)
        {
            nint offset = at.Inputs[p], place = at.Gradients[p];
            T x0 = T.Load(t0 + offset), x1 = T.Load(t1 + offset), x2 = T.Load(t2 + offset), x3 = T.Load(t3 + offset);
            T s = T.Load(z + place);
            a0 = T.MultiplyAdd(s, x0, a0);
            a1 = T.MultiplyAdd(s, x1, a1);
            a2 = T.MultiplyAdd(s, x2, a2);
            a3 = T.MultiplyAdd(s, x3, a3);
            s = T.Load(z1 + place);
            b0 = T.MultiplyAdd(s, x0, b0);
            b1 = T.MultiplyAdd(s, x1, b1);
            b2 = T.MultiplyAdd(s, x2, b2);
            b3 = T.MultiplyAdd(s, x3, b3);
            s = T.Load(z2 + place);
            c0 = T.MultiplyAdd(s, x0, c0);
            c1 = T.MultiplyAdd(s, x1, c1);
            c2 = T.MultiplyAdd(s, x2, c2);
            c3 = T.MultiplyAdd(s, x3, c3);
            s = T.Load(z3 + place);
            d0 = T.MultiplyAdd(s, x0, d0);
            d1 = T.MultiplyAdd(s, x1, d1);
            d2 = T.MultiplyAdd(s, x2, d2);
            d3 = T.MultiplyAdd(s, x3, d3);
            s = T.Load(z4 + place);
            e0 = T.MultiplyAdd(s, x0, e0);
            e1 = T.MultiplyAdd(s, x1, e1);
            e2 = T.MultiplyAdd(s, x2, e2);
            e3 = T.MultiplyAdd(s, x3, e3);
            s = T.Load(z5 + place);
            f0 = T.MultiplyAdd(s, x0, f0);
            f1 = T.MultiplyAdd(s, x1, f1);
            f2 = T.MultiplyAdd(s, x2, f2);
            f3 = T.MultiplyAdd(s, x3, f3);
        }

        AddRow(a0, a1, a2, a3, sums);
        AddRow(b0, b1, b2, b3, sums + (1 * sumPitch));
        AddRow(c0, c1, c2, c3, sums + (2 * sumPitch));
        AddRow(d0, d1, d2, d3, sums + (3 * sumPitch));
        AddRow(e0, e1, e2, e3, sums + (4 * sumPitch));
        AddRow(f0, f1, f2, f3, sums + (5 * sumPitch));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TwoRows<T>(
        float* z, nint zPitch, Positions at, float* t0, float* t1, float* t2, float* t3, float* sums, nint sumPitch)
        where T : unmanaged, ILanes<T>
    {
        T a0 = T.Zero, a1 = T.Zero, a2 = T.Zero, a3 = T.Zero;
        T b0 = T.Zero, b1 = T.Zero, b2 = T.Zero, b3 = T.Zero;
        float* z1 = z + (1 * zPitch);
        for (var p = 0; p < at.Count; p++)
        {
            nint offset = at.Inputs[p], place = at.Gradients[p];
            T x0 = T.Load(t0 + offset), x1 = T.Load(t1 + offset), x2 = T.Load(t2 + offset), x3 = T.Load(t3 + offset);
            T s = T.Load(z + place);
            a0 = T.MultiplyAdd(s, x0, a0);
            a1 = T.MultiplyAdd(s, x1, a1);
            a2 = T.MultiplyAdd(s, x2, a2);
            a3 = T.MultiplyAdd(s, x3, a3);
            s = T.Load(z1 + place);
            b0 = T.MultiplyAdd(s, x0, b0);
            b1 = T.MultiplyAdd(s, x1, b1);
            b2 = T.MultiplyAdd(s, x2, b2);
            b3 = T.MultiplyAdd(s, x3, b3);
        }

        AddRow(a0, a1, a2, a3, sums);
        AddRow(b0, b1, b2, b3, sums + (1 * sumPitch));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddRow<T>(T v0, T v1, T v2, T v3, float* sums)
        where T : unmanaged, ILanes<T>
    {
        const int next = LaneLayout.Samples;
        T.Store(T.Add(v0, T.Load(sums)), sums);
        T.Store(T.Add(v1, T.Load(sums + next)), sums + next);
        T.Store(T.Add(v2, T.Load(sums + (2 * next))), sums + (2 * next));
        T.Store(T.Add(v3, T.Load(sums + (3 * next))), sums + (3 * next));
    }
}
