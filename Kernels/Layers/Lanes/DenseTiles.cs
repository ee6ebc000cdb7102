using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>Tiles of matrix products whose one factor is a weight matrix as it lies in the arena, row by row.</summary>
internal static unsafe class DenseTiles
{
    /// <summary>r[k][b] = Σᵢ w[k][i]·x[b][i]: six units over two blocks of samples.</summary>
    /// <param name="rows">Six rows of weights.</param>
    /// <param name="features">Their length.</param>
    /// <param name="p0">The first block's features, [I][16].</param>
    /// <param name="p1">The second block's.</param>
    /// <param name="result">[6][2][16], written.</param>
    public static void Units<T>(float** rows, int features, float* p0, float* p1, float* result)
        where T : unmanaged, ILanes<T>
    {
        for (var lane = 0; lane < LaneLayout.Samples; lane += T.Count)
        {
            if (T.ManyRegisters)
            {
                SixUnits<T>(rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], features, p0 + lane, p1 + lane, result + lane);
                continue;
            }

            for (var row = 0; row < Tile.Rows; row += 3)
            {
                var part = result + lane + (row * 2 * LaneLayout.Samples);
                ThreeUnits<T>(rows[row], rows[row + 1], rows[row + 2], features, p0 + lane, p1 + lane, part);
            }
        }
    }

    /// <summary>r[k] = Σᵢ w[i][k]·z[i]: 24 neighbouring columns of a matrix over one block of samples.</summary>
    /// <param name="w">The first row at the first of the columns.</param>
    /// <param name="pitch">Floats from a row to the next.</param>
    /// <param name="count">Rows.</param>
    /// <param name="z">[count][16].</param>
    /// <param name="result">[24][16], written.</param>
    public static void Columns<T>(float* w, nint pitch, int count, float* z, float* result)
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

    /// <summary>r[k][i] = Σₙ z[k][n]·x[n][i]: six units, 64 neighbouring features, over all samples.</summary>
    /// <param name="z">The units' gradients in the first block, [6][16].</param>
    /// <param name="zBlock">Floats from a block to the next.</param>
    /// <param name="blocks">Blocks of 16 samples.</param>
    /// <param name="x">The samples' features, a row each.</param>
    /// <param name="xPitch">Floats from a sample to the next.</param>
    /// <param name="result">Six rows of 64, written.</param>
    public static void Outer<T>(float* z, nint zBlock, int blocks, float* x, nint xPitch, float* result)
        where T : unmanaged, ILanes<T>
    {
        for (var column = 0; column < OuterColumns; column += 4 * T.Count)
        {
            if (T.ManyRegisters)
            {
                SixRows<T>(z, zBlock, blocks, x + column, xPitch, result + column, OuterColumns);
                continue;
            }

            for (var row = 0; row < Tile.Rows; row += 2)
            {
                var part = result + column + (row * OuterColumns);
                var units = z + (row * LaneLayout.Samples);
                TwoRows<T>(units, zBlock, blocks, x + column, xPitch, part, OuterColumns);
            }
        }
    }

    /// <summary>Features of one call of <see cref="Outer"/>.</summary>
    public const int OuterColumns = 64;

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
            T s = T.Create(w0[i]);
            a0 = T.MultiplyAdd(s, x0, a0);
            a1 = T.MultiplyAdd(s, x1, a1);
            s = T.Create(w1[i]);
            b0 = T.MultiplyAdd(s, x0, b0);
            b1 = T.MultiplyAdd(s, x1, b1);
            s = T.Create(w2[i]);
            c0 = T.MultiplyAdd(s, x0, c0);
            c1 = T.MultiplyAdd(s, x1, c1);
            s = T.Create(w3[i]);
            d0 = T.MultiplyAdd(s, x0, d0);
            d1 = T.MultiplyAdd(s, x1, d1);
            s = T.Create(w4[i]);
            e0 = T.MultiplyAdd(s, x0, e0);
            e1 = T.MultiplyAdd(s, x1, e1);
            s = T.Create(w5[i]);
            f0 = T.MultiplyAdd(s, x0, f0);
            f1 = T.MultiplyAdd(s, x1, f1);
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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ThreeUnits<T>(float* w0, float* w1, float* w2, int features, float* p0, float* p1, float* result)
        where T : unmanaged, ILanes<T>
    {
        T a0 = T.Zero, a1 = T.Zero;
        T b0 = T.Zero, b1 = T.Zero;
        T c0 = T.Zero, c1 = T.Zero;
        for (nint i = 0; i < features; i++)
        {
            T x0 = T.Load(p0 + (i * LaneLayout.Samples)), x1 = T.Load(p1 + (i * LaneLayout.Samples));
            T s = T.Create(w0[i]);
            a0 = T.MultiplyAdd(s, x0, a0);
            a1 = T.MultiplyAdd(s, x1, a1);
            s = T.Create(w1[i]);
            b0 = T.MultiplyAdd(s, x0, b0);
            b1 = T.MultiplyAdd(s, x1, b1);
            s = T.Create(w2[i]);
            c0 = T.MultiplyAdd(s, x0, c0);
            c1 = T.MultiplyAdd(s, x1, c1);
        }

        T.Store(a0, result + (0 * LaneLayout.Samples));
        T.Store(a1, result + (1 * LaneLayout.Samples));
        T.Store(b0, result + (2 * LaneLayout.Samples));
        T.Store(b1, result + (3 * LaneLayout.Samples));
        T.Store(c0, result + (4 * LaneLayout.Samples));
        T.Store(c1, result + (5 * LaneLayout.Samples));
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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SixRows<T>(float* z, nint zBlock, int blocks, float* x, nint xPitch, float* result, nint resultPitch)
        where T : unmanaged, ILanes<T>
    {
        T a0 = T.Zero, a1 = T.Zero, a2 = T.Zero, a3 = T.Zero;
        T b0 = T.Zero, b1 = T.Zero, b2 = T.Zero, b3 = T.Zero;
        T c0 = T.Zero, c1 = T.Zero, c2 = T.Zero, c3 = T.Zero;
        T d0 = T.Zero, d1 = T.Zero, d2 = T.Zero, d3 = T.Zero;
        T e0 = T.Zero, e1 = T.Zero, e2 = T.Zero, e3 = T.Zero;
        T f0 = T.Zero, f1 = T.Zero, f2 = T.Zero, f3 = T.Zero;
        for (var b = 0; b < blocks; b++)
        {
            for (var n = 0; n < LaneLayout.Samples; n++)
            {
                T x0 = T.Load(x + (0 * T.Count)), x1 = T.Load(x + (1 * T.Count)), x2 = T.Load(x + (2 * T.Count)), x3 = T.Load(x + (3 * T.Count));
                T s = T.Create(z[n]);
                a0 = T.MultiplyAdd(s, x0, a0);
                a1 = T.MultiplyAdd(s, x1, a1);
                a2 = T.MultiplyAdd(s, x2, a2);
                a3 = T.MultiplyAdd(s, x3, a3);
                s = T.Create(z[n + (1 * LaneLayout.Samples)]);
                b0 = T.MultiplyAdd(s, x0, b0);
                b1 = T.MultiplyAdd(s, x1, b1);
                b2 = T.MultiplyAdd(s, x2, b2);
                b3 = T.MultiplyAdd(s, x3, b3);
                s = T.Create(z[n + (2 * LaneLayout.Samples)]);
                c0 = T.MultiplyAdd(s, x0, c0);
                c1 = T.MultiplyAdd(s, x1, c1);
                c2 = T.MultiplyAdd(s, x2, c2);
                c3 = T.MultiplyAdd(s, x3, c3);
                s = T.Create(z[n + (3 * LaneLayout.Samples)]);
                d0 = T.MultiplyAdd(s, x0, d0);
                d1 = T.MultiplyAdd(s, x1, d1);
                d2 = T.MultiplyAdd(s, x2, d2);
                d3 = T.MultiplyAdd(s, x3, d3);
                s = T.Create(z[n + (4 * LaneLayout.Samples)]);
                e0 = T.MultiplyAdd(s, x0, e0);
                e1 = T.MultiplyAdd(s, x1, e1);
                e2 = T.MultiplyAdd(s, x2, e2);
                e3 = T.MultiplyAdd(s, x3, e3);
                s = T.Create(z[n + (5 * LaneLayout.Samples)]);
                f0 = T.MultiplyAdd(s, x0, f0);
                f1 = T.MultiplyAdd(s, x1, f1);
                f2 = T.MultiplyAdd(s, x2, f2);
                f3 = T.MultiplyAdd(s, x3, f3);
                x += xPitch;
            }

            z += zBlock;
        }

        T.Store(a0, result + (0 * resultPitch) + (0 * T.Count));
        T.Store(a1, result + (0 * resultPitch) + (1 * T.Count));
        T.Store(a2, result + (0 * resultPitch) + (2 * T.Count));
        T.Store(a3, result + (0 * resultPitch) + (3 * T.Count));
        T.Store(b0, result + (1 * resultPitch) + (0 * T.Count));
        T.Store(b1, result + (1 * resultPitch) + (1 * T.Count));
        T.Store(b2, result + (1 * resultPitch) + (2 * T.Count));
        T.Store(b3, result + (1 * resultPitch) + (3 * T.Count));
        T.Store(c0, result + (2 * resultPitch) + (0 * T.Count));
        T.Store(c1, result + (2 * resultPitch) + (1 * T.Count));
        T.Store(c2, result + (2 * resultPitch) + (2 * T.Count));
        T.Store(c3, result + (2 * resultPitch) + (3 * T.Count));
        T.Store(d0, result + (3 * resultPitch) + (0 * T.Count));
        T.Store(d1, result + (3 * resultPitch) + (1 * T.Count));
        T.Store(d2, result + (3 * resultPitch) + (2 * T.Count));
        T.Store(d3, result + (3 * resultPitch) + (3 * T.Count));
        T.Store(e0, result + (4 * resultPitch) + (0 * T.Count));
        T.Store(e1, result + (4 * resultPitch) + (1 * T.Count));
        T.Store(e2, result + (4 * resultPitch) + (2 * T.Count));
        T.Store(e3, result + (4 * resultPitch) + (3 * T.Count));
        T.Store(f0, result + (5 * resultPitch) + (0 * T.Count));
        T.Store(f1, result + (5 * resultPitch) + (1 * T.Count));
        T.Store(f2, result + (5 * resultPitch) + (2 * T.Count));
        T.Store(f3, result + (5 * resultPitch) + (3 * T.Count));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TwoRows<T>(float* z, nint zBlock, int blocks, float* x, nint xPitch, float* result, nint resultPitch)
        where T : unmanaged, ILanes<T>
    {
        T a0 = T.Zero, a1 = T.Zero, a2 = T.Zero, a3 = T.Zero;
        T b0 = T.Zero, b1 = T.Zero, b2 = T.Zero, b3 = T.Zero;
        for (var b = 0; b < blocks; b++)
        {
            for (var n = 0; n < LaneLayout.Samples; n++)
            {
                T x0 = T.Load(x + (0 * T.Count)), x1 = T.Load(x + (1 * T.Count)), x2 = T.Load(x + (2 * T.Count)), x3 = T.Load(x + (3 * T.Count));
                T s = T.Create(z[n]);
                a0 = T.MultiplyAdd(s, x0, a0);
                a1 = T.MultiplyAdd(s, x1, a1);
                a2 = T.MultiplyAdd(s, x2, a2);
                a3 = T.MultiplyAdd(s, x3, a3);
                s = T.Create(z[n + (1 * LaneLayout.Samples)]);
                b0 = T.MultiplyAdd(s, x0, b0);
                b1 = T.MultiplyAdd(s, x1, b1);
                b2 = T.MultiplyAdd(s, x2, b2);
                b3 = T.MultiplyAdd(s, x3, b3);
                x += xPitch;
            }

            z += zBlock;
        }

        T.Store(a0, result + (0 * resultPitch) + (0 * T.Count));
        T.Store(a1, result + (0 * resultPitch) + (1 * T.Count));
        T.Store(a2, result + (0 * resultPitch) + (2 * T.Count));
        T.Store(a3, result + (0 * resultPitch) + (3 * T.Count));
        T.Store(b0, result + (1 * resultPitch) + (0 * T.Count));
        T.Store(b1, result + (1 * resultPitch) + (1 * T.Count));
        T.Store(b2, result + (1 * resultPitch) + (2 * T.Count));
        T.Store(b3, result + (1 * resultPitch) + (3 * T.Count));
    }
}
