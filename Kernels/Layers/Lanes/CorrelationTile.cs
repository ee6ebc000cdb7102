using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>The taps that a sum runs over: offsets into the input, in floats.</summary>
internal readonly unsafe ref struct Taps(int* offsets, int count)
{
    public readonly int* Offsets = offsets;
    public readonly int Count = count;
}

/// <summary>
/// Cross-correlation, a tile at once: r[k][p] = Σₜ w[t][k]·x[pₚ + t] for six output channels k at four positions p.
/// </summary>
internal static unsafe class CorrelationTile
{
    /// <param name="weights">[T][6].</param>
    /// <param name="taps">T offsets.</param>
    /// <param name="p0">The input at the first position's first tap.</param>
    /// <param name="p1">The second position.</param>
    /// <param name="p2">The third position.</param>
    /// <param name="p3">The fourth position.</param>
    /// <param name="result">[6][4][16], written.</param>
    public static void Run<T>(float* weights, Taps taps, float* p0, float* p1, float* p2, float* p3, float* result)
        where T : unmanaged, ILanes<T>
    {
        for (var lane = 0; lane < LaneLayout.Samples; lane += T.Count)
        {
            if (T.ManyRegisters)
            {
                Whole<T>(weights, taps, p0 + lane, p1 + lane, p2 + lane, p3 + lane, result + lane);
                continue;
            }

            for (var row = 0; row < Tile.Rows; row += 2)
            {
                var part = result + lane + (row * Tile.Columns * LaneLayout.Samples);
                TwoRows<T>(weights + row, taps, p0 + lane, p1 + lane, p2 + lane, p3 + lane, part);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Whole<T>(float* w, Taps taps, float* p0, float* p1, float* p2, float* p3, float* result)
        where T : unmanaged, ILanes<T>
    {
        T a0 = T.Zero, a1 = T.Zero, a2 = T.Zero, a3 = T.Zero;
        T b0 = T.Zero, b1 = T.Zero, b2 = T.Zero, b3 = T.Zero;
        T c0 = T.Zero, c1 = T.Zero, c2 = T.Zero, c3 = T.Zero;
        T d0 = T.Zero, d1 = T.Zero, d2 = T.Zero, d3 = T.Zero;
        T e0 = T.Zero, e1 = T.Zero, e2 = T.Zero, e3 = T.Zero;
        T f0 = T.Zero, f1 = T.Zero, f2 = T.Zero, f3 = T.Zero;
        for (var t = 0; t < taps.Count; t++)
        {
            nint offset = taps.Offsets[t];
            T x0 = T.Load(p0 + offset), x1 = T.Load(p1 + offset), x2 = T.Load(p2 + offset), x3 = T.Load(p3 + offset);
            T s = T.Create(w[0]);
            a0 = T.MultiplyAdd(s, x0, a0);
            a1 = T.MultiplyAdd(s, x1, a1);
            a2 = T.MultiplyAdd(s, x2, a2);
            a3 = T.MultiplyAdd(s, x3, a3);
            s = T.Create(w[1]);
            b0 = T.MultiplyAdd(s, x0, b0);
            b1 = T.MultiplyAdd(s, x1, b1);
            b2 = T.MultiplyAdd(s, x2, b2);
            b3 = T.MultiplyAdd(s, x3, b3);
            s = T.Create(w[2]);
            c0 = T.MultiplyAdd(s, x0, c0);
            c1 = T.MultiplyAdd(s, x1, c1);
            c2 = T.MultiplyAdd(s, x2, c2);
            c3 = T.MultiplyAdd(s, x3, c3);
            s = T.Create(w[3]);
            d0 = T.MultiplyAdd(s, x0, d0);
            d1 = T.MultiplyAdd(s, x1, d1);
            d2 = T.MultiplyAdd(s, x2, d2);
            d3 = T.MultiplyAdd(s, x3, d3);
            s = T.Create(w[4]);
            e0 = T.MultiplyAdd(s, x0, e0);
            e1 = T.MultiplyAdd(s, x1, e1);
            e2 = T.MultiplyAdd(s, x2, e2);
            e3 = T.MultiplyAdd(s, x3, e3);
            s = T.Create(w[5]);
            f0 = T.MultiplyAdd(s, x0, f0);
            f1 = T.MultiplyAdd(s, x1, f1);
            f2 = T.MultiplyAdd(s, x2, f2);
            f3 = T.MultiplyAdd(s, x3, f3);
            w += Tile.Rows;
        }

        T.Store(a0, result + (0 * LaneLayout.Samples));
        T.Store(a1, result + (1 * LaneLayout.Samples));
        T.Store(a2, result + (2 * LaneLayout.Samples));
        T.Store(a3, result + (3 * LaneLayout.Samples));
        T.Store(b0, result + (4 * LaneLayout.Samples));
        T.Store(b1, result + (5 * LaneLayout.Samples));
        T.Store(b2, result + (6 * LaneLayout.Samples));
        T.Store(b3, result + (7 * LaneLayout.Samples));
        T.Store(c0, result + (8 * LaneLayout.Samples));
        T.Store(c1, result + (9 * LaneLayout.Samples));
        T.Store(c2, result + (10 * LaneLayout.Samples));
        T.Store(c3, result + (11 * LaneLayout.Samples));
        T.Store(d0, result + (12 * LaneLayout.Samples));
        T.Store(d1, result + (13 * LaneLayout.Samples));
        T.Store(d2, result + (14 * LaneLayout.Samples));
        T.Store(d3, result + (15 * LaneLayout.Samples));
        T.Store(e0, result + (16 * LaneLayout.Samples));
        T.Store(e1, result + (17 * LaneLayout.Samples));
        T.Store(e2, result + (18 * LaneLayout.Samples));
        T.Store(e3, result + (19 * LaneLayout.Samples));
        T.Store(f0, result + (20 * LaneLayout.Samples));
        T.Store(f1, result + (21 * LaneLayout.Samples));
        T.Store(f2, result + (22 * LaneLayout.Samples));
        T.Store(f3, result + (23 * LaneLayout.Samples));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TwoRows<T>(float* w, Taps taps, float* p0, float* p1, float* p2, float* p3, float* result)
        where T : unmanaged, ILanes<T>
    {
        T a0 = T.Zero, a1 = T.Zero, a2 = T.Zero, a3 = T.Zero;
        T b0 = T.Zero, b1 = T.Zero, b2 = T.Zero, b3 = T.Zero;
        for (var t = 0; t < taps.Count; t++)
        {
            nint offset = taps.Offsets[t];
            T x0 = T.Load(p0 + offset), x1 = T.Load(p1 + offset), x2 = T.Load(p2 + offset), x3 = T.Load(p3 + offset);
            T s = T.Create(w[0]);
            a0 = T.MultiplyAdd(s, x0, a0);
            a1 = T.MultiplyAdd(s, x1, a1);
            a2 = T.MultiplyAdd(s, x2, a2);
            a3 = T.MultiplyAdd(s, x3, a3);
            s = T.Create(w[1]);
            b0 = T.MultiplyAdd(s, x0, b0);
            b1 = T.MultiplyAdd(s, x1, b1);
            b2 = T.MultiplyAdd(s, x2, b2);
            b3 = T.MultiplyAdd(s, x3, b3);
            w += Tile.Rows;
        }

        T.Store(a0, result + (0 * LaneLayout.Samples));
        T.Store(a1, result + (1 * LaneLayout.Samples));
        T.Store(a2, result + (2 * LaneLayout.Samples));
        T.Store(a3, result + (3 * LaneLayout.Samples));
        T.Store(b0, result + (4 * LaneLayout.Samples));
        T.Store(b1, result + (5 * LaneLayout.Samples));
        T.Store(b2, result + (6 * LaneLayout.Samples));
        T.Store(b3, result + (7 * LaneLayout.Samples));
    }
}
