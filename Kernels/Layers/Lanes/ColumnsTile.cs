using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>A product with the transposed weights of a dense layer, a tile at once: 24 features over one block of samples.</summary>
internal static unsafe class ColumnsTile
{
    /// <summary>r[k] = Σᵢ w[i][k]·z[i]: 24 neighbouring columns of a matrix over one block of samples.</summary>
    /// <param name="w">The first row at the first of the columns.</param>
    /// <param name="pitch">Floats from a row to the next.</param>
    /// <param name="count">Rows.</param>
    /// <param name="z">[count][16].</param>
    /// <param name="result">[24][16], written.</param>
    public static void Run<T>(float* w, nint pitch, int count, float* z, float* result)
        where T : unmanaged, ILanes<T>
    {
        for (var lane = 0; lane < LaneLayout.Samples; lane += T.Count)
        {
            if (T.ManyRegisters)
            {
                AllColumns<T>(w, pitch, count, z + lane, result + lane);
                continue;
            }

            for (var column = 0; column < Tile.Tall; column += 12)
            {
                HalfColumns<T>(w + column, pitch, count, z + lane, result + lane + (column * LaneLayout.Samples));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AllColumns<T>(float* w, nint pitch, int count, float* z, float* result)
        where T : unmanaged, ILanes<T>
    {
        T a0 = T.Zero, a1 = T.Zero, a2 = T.Zero, a3 = T.Zero, a4 = T.Zero, a5 = T.Zero;
        T a6 = T.Zero, a7 = T.Zero, a8 = T.Zero, a9 = T.Zero, a10 = T.Zero, a11 = T.Zero;
        T a12 = T.Zero, a13 = T.Zero, a14 = T.Zero, a15 = T.Zero, a16 = T.Zero, a17 = T.Zero;
        T a18 = T.Zero, a19 = T.Zero, a20 = T.Zero, a21 = T.Zero, a22 = T.Zero, a23 = T.Zero;
        for (nint i = 0; i < count; i++)
        {
            var x = T.Load(z + (i * LaneLayout.Samples));
            a0 = T.MultiplyAdd(T.Create(w[0]), x, a0);
            a1 = T.MultiplyAdd(T.Create(w[1]), x, a1);
            a2 = T.MultiplyAdd(T.Create(w[2]), x, a2);
            a3 = T.MultiplyAdd(T.Create(w[3]), x, a3);
            a4 = T.MultiplyAdd(T.Create(w[4]), x, a4);
            a5 = T.MultiplyAdd(T.Create(w[5]), x, a5);
            a6 = T.MultiplyAdd(T.Create(w[6]), x, a6);
            a7 = T.MultiplyAdd(T.Create(w[7]), x, a7);
            a8 = T.MultiplyAdd(T.Create(w[8]), x, a8);
            a9 = T.MultiplyAdd(T.Create(w[9]), x, a9);
            a10 = T.MultiplyAdd(T.Create(w[10]), x, a10);
            a11 = T.MultiplyAdd(T.Create(w[11]), x, a11);
            a12 = T.MultiplyAdd(T.Create(w[12]), x, a12);
            a13 = T.MultiplyAdd(T.Create(w[13]), x, a13);
            a14 = T.MultiplyAdd(T.Create(w[14]), x, a14);
            a15 = T.MultiplyAdd(T.Create(w[15]), x, a15);
            a16 = T.MultiplyAdd(T.Create(w[16]), x, a16);
            a17 = T.MultiplyAdd(T.Create(w[17]), x, a17);
            a18 = T.MultiplyAdd(T.Create(w[18]), x, a18);
            a19 = T.MultiplyAdd(T.Create(w[19]), x, a19);
            a20 = T.MultiplyAdd(T.Create(w[20]), x, a20);
            a21 = T.MultiplyAdd(T.Create(w[21]), x, a21);
            a22 = T.MultiplyAdd(T.Create(w[22]), x, a22);
            a23 = T.MultiplyAdd(T.Create(w[23]), x, a23);
            w += pitch;
        }

        T.Store(a0, result + (0 * LaneLayout.Samples));
        T.Store(a1, result + (1 * LaneLayout.Samples));
        T.Store(a2, result + (2 * LaneLayout.Samples));
        T.Store(a3, result + (3 * LaneLayout.Samples));
        T.Store(a4, result + (4 * LaneLayout.Samples));
        T.Store(a5, result + (5 * LaneLayout.Samples));
        T.Store(a6, result + (6 * LaneLayout.Samples));
        T.Store(a7, result + (7 * LaneLayout.Samples));
        T.Store(a8, result + (8 * LaneLayout.Samples));
        T.Store(a9, result + (9 * LaneLayout.Samples));
        T.Store(a10, result + (10 * LaneLayout.Samples));
        T.Store(a11, result + (11 * LaneLayout.Samples));
        T.Store(a12, result + (12 * LaneLayout.Samples));
        T.Store(a13, result + (13 * LaneLayout.Samples));
        T.Store(a14, result + (14 * LaneLayout.Samples));
        T.Store(a15, result + (15 * LaneLayout.Samples));
        T.Store(a16, result + (16 * LaneLayout.Samples));
        T.Store(a17, result + (17 * LaneLayout.Samples));
        T.Store(a18, result + (18 * LaneLayout.Samples));
        T.Store(a19, result + (19 * LaneLayout.Samples));
        T.Store(a20, result + (20 * LaneLayout.Samples));
        T.Store(a21, result + (21 * LaneLayout.Samples));
        T.Store(a22, result + (22 * LaneLayout.Samples));
        T.Store(a23, result + (23 * LaneLayout.Samples));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void HalfColumns<T>(float* w, nint pitch, int count, float* z, float* result)
        where T : unmanaged, ILanes<T>
    {
        T a0 = T.Zero, a1 = T.Zero, a2 = T.Zero, a3 = T.Zero, a4 = T.Zero, a5 = T.Zero;
        T a6 = T.Zero, a7 = T.Zero, a8 = T.Zero, a9 = T.Zero, a10 = T.Zero, a11 = T.Zero;
        for (nint i = 0; i < count; i++)
        {
            var x = T.Load(z + (i * LaneLayout.Samples));
            a0 = T.MultiplyAdd(T.Create(w[0]), x, a0);
            a1 = T.MultiplyAdd(T.Create(w[1]), x, a1);
            a2 = T.MultiplyAdd(T.Create(w[2]), x, a2);
            a3 = T.MultiplyAdd(T.Create(w[3]), x, a3);
            a4 = T.MultiplyAdd(T.Create(w[4]), x, a4);
            a5 = T.MultiplyAdd(T.Create(w[5]), x, a5);
            a6 = T.MultiplyAdd(T.Create(w[6]), x, a6);
            a7 = T.MultiplyAdd(T.Create(w[7]), x, a7);
            a8 = T.MultiplyAdd(T.Create(w[8]), x, a8);
            a9 = T.MultiplyAdd(T.Create(w[9]), x, a9);
            a10 = T.MultiplyAdd(T.Create(w[10]), x, a10);
            a11 = T.MultiplyAdd(T.Create(w[11]), x, a11);
            w += pitch;
        }

        T.Store(a0, result + (0 * LaneLayout.Samples));
        T.Store(a1, result + (1 * LaneLayout.Samples));
        T.Store(a2, result + (2 * LaneLayout.Samples));
        T.Store(a3, result + (3 * LaneLayout.Samples));
        T.Store(a4, result + (4 * LaneLayout.Samples));
        T.Store(a5, result + (5 * LaneLayout.Samples));
        T.Store(a6, result + (6 * LaneLayout.Samples));
        T.Store(a7, result + (7 * LaneLayout.Samples));
        T.Store(a8, result + (8 * LaneLayout.Samples));
        T.Store(a9, result + (9 * LaneLayout.Samples));
        T.Store(a10, result + (10 * LaneLayout.Samples));
        T.Store(a11, result + (11 * LaneLayout.Samples));
    }
}
