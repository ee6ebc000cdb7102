using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>A product with the transposed weights of a dense layer, a tile at once: 24 features over one block of samples, or two.</summary>
internal static unsafe class ColumnsTile
{
    private const int Half = Tile.Tall / 2;

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

            for (var column = 0; column < Tile.Tall; column += Half)
            {
                HalfColumns<T, One>(w + column, pitch, count, z + lane, z + lane, result + lane + (column * LaneLayout.Samples), result);
            }
        }
    }

    /// <summary>The same over two blocks: a column's number serves both, so that half as many are spread.</summary>
    /// <param name="w">The first row at the first of the columns.</param>
    /// <param name="pitch">Floats from a row to the next.</param>
    /// <param name="count">Rows.</param>
    /// <param name="z0">The first block, [count][16].</param>
    /// <param name="z1">The second block.</param>
    /// <param name="result0">[24][16], written.</param>
    /// <param name="result1">The second block's.</param>
    public static void Run<T>(float* w, nint pitch, int count, float* z0, float* z1, float* result0, float* result1)
        where T : unmanaged, ILanes<T>
    {
        if (!T.ManyRegisters)
        {
            Run<T>(w, pitch, count, z0, result0);
            Run<T>(w, pitch, count, z1, result1);
            return;
        }

        for (var lane = 0; lane < LaneLayout.Samples; lane += T.Count)
        {
            for (var column = 0; column < Tile.Tall; column += Half)
            {
                var at = lane + (column * LaneLayout.Samples);
                HalfColumns<T, Two>(w + column, pitch, count, z0 + lane, z1 + lane, result0 + at, result1 + at);
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
            T.MultiplyAdd(T.Create(w[0]), x, ref a0);
            T.MultiplyAdd(T.Create(w[1]), x, ref a1);
            T.MultiplyAdd(T.Create(w[2]), x, ref a2);
            T.MultiplyAdd(T.Create(w[3]), x, ref a3);
            T.MultiplyAdd(T.Create(w[4]), x, ref a4);
            T.MultiplyAdd(T.Create(w[5]), x, ref a5);
            T.MultiplyAdd(T.Create(w[6]), x, ref a6);
            T.MultiplyAdd(T.Create(w[7]), x, ref a7);
            T.MultiplyAdd(T.Create(w[8]), x, ref a8);
            T.MultiplyAdd(T.Create(w[9]), x, ref a9);
            T.MultiplyAdd(T.Create(w[10]), x, ref a10);
            T.MultiplyAdd(T.Create(w[11]), x, ref a11);
            T.MultiplyAdd(T.Create(w[12]), x, ref a12);
            T.MultiplyAdd(T.Create(w[13]), x, ref a13);
            T.MultiplyAdd(T.Create(w[14]), x, ref a14);
            T.MultiplyAdd(T.Create(w[15]), x, ref a15);
            T.MultiplyAdd(T.Create(w[16]), x, ref a16);
            T.MultiplyAdd(T.Create(w[17]), x, ref a17);
            T.MultiplyAdd(T.Create(w[18]), x, ref a18);
            T.MultiplyAdd(T.Create(w[19]), x, ref a19);
            T.MultiplyAdd(T.Create(w[20]), x, ref a20);
            T.MultiplyAdd(T.Create(w[21]), x, ref a21);
            T.MultiplyAdd(T.Create(w[22]), x, ref a22);
            T.MultiplyAdd(T.Create(w[23]), x, ref a23);
            w += pitch;
        }

        Store(a0, a1, a2, a3, result + (0 * LaneLayout.Samples));
        Store(a4, a5, a6, a7, result + (4 * LaneLayout.Samples));
        Store(a8, a9, a10, a11, result + (8 * LaneLayout.Samples));
        Store(a12, a13, a14, a15, result + (12 * LaneLayout.Samples));
        Store(a16, a17, a18, a19, result + (16 * LaneLayout.Samples));
        Store(a20, a21, a22, a23, result + (20 * LaneLayout.Samples));
    }

    /// <summary>12 columns over one block or two.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void HalfColumns<T, TBlocks>(float* w, nint pitch, int count, float* z0, float* z1, float* result0, float* result1)
        where T : unmanaged, ILanes<T>
        where TBlocks : ITileSide
    {
        T a0 = T.Zero, a1 = T.Zero, a2 = T.Zero, a3 = T.Zero, a4 = T.Zero, a5 = T.Zero;
        T a6 = T.Zero, a7 = T.Zero, a8 = T.Zero, a9 = T.Zero, a10 = T.Zero, a11 = T.Zero;
        T b0 = T.Zero, b1 = T.Zero, b2 = T.Zero, b3 = T.Zero, b4 = T.Zero, b5 = T.Zero;
        T b6 = T.Zero, b7 = T.Zero, b8 = T.Zero, b9 = T.Zero, b10 = T.Zero, b11 = T.Zero;
        for (nint i = 0; i < count; i++)
        {
            var x = T.Load(z0 + (i * LaneLayout.Samples));
            var y = TBlocks.Count > 1 ? T.Load(z1 + (i * LaneLayout.Samples)) : T.Zero;
            var s = T.Create(w[0]);
            T.MultiplyAdd(s, x, ref a0);
            if (TBlocks.Count > 1) T.MultiplyAdd(s, y, ref b0);
            s = T.Create(w[1]);
            T.MultiplyAdd(s, x, ref a1);
            if (TBlocks.Count > 1) T.MultiplyAdd(s, y, ref b1);
            s = T.Create(w[2]);
            T.MultiplyAdd(s, x, ref a2);
            if (TBlocks.Count > 1) T.MultiplyAdd(s, y, ref b2);
            s = T.Create(w[3]);
            T.MultiplyAdd(s, x, ref a3);
            if (TBlocks.Count > 1) T.MultiplyAdd(s, y, ref b3);
            s = T.Create(w[4]);
            T.MultiplyAdd(s, x, ref a4);
            if (TBlocks.Count > 1) T.MultiplyAdd(s, y, ref b4);
            s = T.Create(w[5]);
            T.MultiplyAdd(s, x, ref a5);
            if (TBlocks.Count > 1) T.MultiplyAdd(s, y, ref b5);
            s = T.Create(w[6]);
            T.MultiplyAdd(s, x, ref a6);
            if (TBlocks.Count > 1) T.MultiplyAdd(s, y, ref b6);
            s = T.Create(w[7]);
            T.MultiplyAdd(s, x, ref a7);
            if (TBlocks.Count > 1) T.MultiplyAdd(s, y, ref b7);
            s = T.Create(w[8]);
            T.MultiplyAdd(s, x, ref a8);
            if (TBlocks.Count > 1) T.MultiplyAdd(s, y, ref b8);
            s = T.Create(w[9]);
            T.MultiplyAdd(s, x, ref a9);
            if (TBlocks.Count > 1) T.MultiplyAdd(s, y, ref b9);
            s = T.Create(w[10]);
            T.MultiplyAdd(s, x, ref a10);
            if (TBlocks.Count > 1) T.MultiplyAdd(s, y, ref b10);
            s = T.Create(w[11]);
            T.MultiplyAdd(s, x, ref a11);
            if (TBlocks.Count > 1) T.MultiplyAdd(s, y, ref b11);
            w += pitch;
        }

        Store(a0, a1, a2, a3, result0);
        Store(a4, a5, a6, a7, result0 + (4 * LaneLayout.Samples));
        Store(a8, a9, a10, a11, result0 + (8 * LaneLayout.Samples));
        if (TBlocks.Count == 1) return;
        Store(b0, b1, b2, b3, result1);
        Store(b4, b5, b6, b7, result1 + (4 * LaneLayout.Samples));
        Store(b8, b9, b10, b11, result1 + (8 * LaneLayout.Samples));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<T>(T v0, T v1, T v2, T v3, float* to)
        where T : unmanaged, ILanes<T>
    {
        T.Store(v0, to);
        T.Store(v1, to + LaneLayout.Samples);
        T.Store(v2, to + (2 * LaneLayout.Samples));
        T.Store(v3, to + (3 * LaneLayout.Samples));
    }
}
