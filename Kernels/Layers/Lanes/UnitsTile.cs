using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>A matrix product, a tile at once: six units of a dense layer over two blocks of samples. The weights are read as they lie in the arena, row by row.</summary>
internal static unsafe class UnitsTile
{
    /// <summary>r[k][b] = Σᵢ w[k][i]·x[b][i]: six units over two blocks of samples.</summary>
    /// <param name="rows">Six rows of weights.</param>
    /// <param name="features">Their length.</param>
    /// <param name="p0">The first block's features, [I][16].</param>
    /// <param name="p1">The second block's.</param>
    /// <param name="result">[6][2][16], written.</param>
    public static void Run<T>(float** rows, int features, float* p0, float* p1, float* result)
        where T : unmanaged, ILanes<T>
    {
        for (var lane = 0; lane < LaneLayout.Samples; lane += T.Count)
        {
            SixUnits<T>(rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], features, p0 + lane, p1 + lane, result + lane);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SixUnits<T>(
        float* w0, float* w1, float* w2, float* w3, float* w4, float* w5, int features, float* p0, float* p1, float* result)
        where T : unmanaged, ILanes<T>
    {
        T a0 = T.Zero, a1 = T.Zero;
        T b0 = T.Zero, b1 = T.Zero;
        T c0 = T.Zero, c1 = T.Zero;
        T d0 = T.Zero, d1 = T.Zero;
        T e0 = T.Zero, e1 = T.Zero;
        T f0 = T.Zero, f1 = T.Zero;
        for (nint i = 0; i < features; i++)
        {
            T x0 = T.Load(p0 + (i * LaneLayout.Samples)), x1 = T.Load(p1 + (i * LaneLayout.Samples));
            var s = T.Create(w0[i]);
            T.MultiplyAdd(s, x0, ref a0);
            T.MultiplyAdd(s, x1, ref a1);
            s = T.Create(w1[i]);
            T.MultiplyAdd(s, x0, ref b0);
            T.MultiplyAdd(s, x1, ref b1);
            s = T.Create(w2[i]);
            T.MultiplyAdd(s, x0, ref c0);
            T.MultiplyAdd(s, x1, ref c1);
            s = T.Create(w3[i]);
            T.MultiplyAdd(s, x0, ref d0);
            T.MultiplyAdd(s, x1, ref d1);
            s = T.Create(w4[i]);
            T.MultiplyAdd(s, x0, ref e0);
            T.MultiplyAdd(s, x1, ref e1);
            s = T.Create(w5[i]);
            T.MultiplyAdd(s, x0, ref f0);
            T.MultiplyAdd(s, x1, ref f1);
        }

        T.Store(a0, result + (0 * LaneLayout.Samples));
        T.Store(a1, result + (1 * LaneLayout.Samples));
        T.Store(b0, result + (2 * LaneLayout.Samples));
        T.Store(b1, result + (3 * LaneLayout.Samples));
        T.Store(c0, result + (4 * LaneLayout.Samples));
        T.Store(c1, result + (5 * LaneLayout.Samples));
        T.Store(d0, result + (6 * LaneLayout.Samples));
        T.Store(d1, result + (7 * LaneLayout.Samples));
        T.Store(e0, result + (8 * LaneLayout.Samples));
        T.Store(e1, result + (9 * LaneLayout.Samples));
        T.Store(f0, result + (10 * LaneLayout.Samples));
        T.Store(f1, result + (11 * LaneLayout.Samples));
    }
}
