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
            a0 = T.MultiplyAdd(s, x, a0);
            if (TBlocks.Count > 1) b0 = T.MultiplyAdd(s, y, b0);
            s = T.Create(w[1]);
            a1 = T.MultiplyAdd(s, x, a1);
            if (TBlocks.Count > 1) b1 = T.MultiplyAdd(s, y, b1);
            s = T.Create(w[2]);
            a2 = T.MultiplyAdd(s, x, a2);
            if (TBlocks.Count > 1) b2 = T.MultiplyAdd(s, y, b2);
            s = T.Create(w[3]);
            a3 = T.MultiplyAdd(s, x, a3);
            if (TBlocks.Count > 1) b3 = T.MultiplyAdd(s, y, b3);
            s = T.Create(w[4]);
            a4 = T.MultiplyAdd(s, x, a4);
            if (TBlocks.Count > 1) b4 = T.MultiplyAdd(s, y, b4);
            s = T.Create(w[5]);
            a5 = T.MultiplyAdd(s, x, a5);
            if (TBlocks.Count > 1) b5 = T.MultiplyAdd(s, y, b5);
            s = T.Create(w[6]);
            a6 = T.MultiplyAdd(s, x, a6);
            if (TBlocks.Count > 1) b6 = T.MultiplyAdd(s, y, b6);
            s = T.Create(w[7]);
            a7 = T.MultiplyAdd(s, x, a7);
            if (TBlocks.Count > 1) b7 = T.MultiplyAdd(s, y, b7);
            s = T.Create(w[8]);
            a8 = T.MultiplyAdd(s, x, a8);
            if (TBlocks.Count > 1) b8 = T.MultiplyAdd(s, y, b8);
            s = T.Create(w[9]);
            a9 = T.MultiplyAdd(s, x, a9);
            if (TBlocks.Count > 1) b9 = T.MultiplyAdd(s, y, b9);
            s = T.Create(w[10]);
            a10 = T.MultiplyAdd(s, x, a10);
            if (TBlocks.Count > 1) b10 = T.MultiplyAdd(s, y, b10);
            s = T.Create(w[11]);
            a11 = T.MultiplyAdd(s, x, a11);
            if (TBlocks.Count > 1) b11 = T.MultiplyAdd(s, y, b11);
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
