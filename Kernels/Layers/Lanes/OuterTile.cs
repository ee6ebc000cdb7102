using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>The gradient of a dense layer's weights, a tile at once: six units by 64 features, summed over all samples.</summary>
internal static unsafe class OuterTile
{
    /// <summary>Features of one call.</summary>
    public const int Width = 64;

    /// <summary>r[k][i] = Σₙ z[k][n]·x[n][i]: six units, 64 neighbouring features, over all samples.</summary>
    /// <param name="z">The units' gradients in the first block, [6][16].</param>
    /// <param name="zBlock">Floats from a block to the next.</param>
    /// <param name="blocks">Blocks of 16 samples.</param>
    /// <param name="x">The samples' features, a row each.</param>
    /// <param name="xPitch">Floats from a sample to the next.</param>
    /// <param name="result">Six rows of 64, written.</param>
    public static void Run<T>(float* z, nint zBlock, int blocks, float* x, nint xPitch, float* result)
        where T : unmanaged, ILanes<T>
    {
        for (var column = 0; column < Width; column += 4 * T.Count)
        {
            if (T.ManyRegisters)
            {
                SixRows<T>(z, zBlock, blocks, x + column, xPitch, result + column, Width);
                continue;
            }

            for (var row = 0; row < Tile.Rows; row += Tile.FewRows)
            {
                ThreeRows<T>(z + (row * LaneLayout.Samples), zBlock, blocks, x + column, xPitch, result + column + (row * Width), Width);
            }
        }
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
                var s = T.Create(z[n]);
                T.MultiplyAdd(s, x0, ref a0);
                T.MultiplyAdd(s, x1, ref a1);
                T.MultiplyAdd(s, x2, ref a2);
                T.MultiplyAdd(s, x3, ref a3);
                s = T.Create(z[n + (1 * LaneLayout.Samples)]);
                T.MultiplyAdd(s, x0, ref b0);
                T.MultiplyAdd(s, x1, ref b1);
                T.MultiplyAdd(s, x2, ref b2);
                T.MultiplyAdd(s, x3, ref b3);
                s = T.Create(z[n + (2 * LaneLayout.Samples)]);
                T.MultiplyAdd(s, x0, ref c0);
                T.MultiplyAdd(s, x1, ref c1);
                T.MultiplyAdd(s, x2, ref c2);
                T.MultiplyAdd(s, x3, ref c3);
                s = T.Create(z[n + (3 * LaneLayout.Samples)]);
                T.MultiplyAdd(s, x0, ref d0);
                T.MultiplyAdd(s, x1, ref d1);
                T.MultiplyAdd(s, x2, ref d2);
                T.MultiplyAdd(s, x3, ref d3);
                s = T.Create(z[n + (4 * LaneLayout.Samples)]);
                T.MultiplyAdd(s, x0, ref e0);
                T.MultiplyAdd(s, x1, ref e1);
                T.MultiplyAdd(s, x2, ref e2);
                T.MultiplyAdd(s, x3, ref e3);
                s = T.Create(z[n + (5 * LaneLayout.Samples)]);
                T.MultiplyAdd(s, x0, ref f0);
                T.MultiplyAdd(s, x1, ref f1);
                T.MultiplyAdd(s, x2, ref f2);
                T.MultiplyAdd(s, x3, ref f3);
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
    private static void ThreeRows<T>(float* z, nint zBlock, int blocks, float* x, nint xPitch, float* result, nint resultPitch)
        where T : unmanaged, ILanes<T>
    {
        T a0 = T.Zero, a1 = T.Zero, a2 = T.Zero, a3 = T.Zero;
        T b0 = T.Zero, b1 = T.Zero, b2 = T.Zero, b3 = T.Zero;
        T c0 = T.Zero, c1 = T.Zero, c2 = T.Zero, c3 = T.Zero;
        for (var b = 0; b < blocks; b++)
        {
            for (var n = 0; n < LaneLayout.Samples; n++)
            {
                T s0 = T.Create(z[n]), s1 = T.Create(z[n + (1 * LaneLayout.Samples)]), s2 = T.Create(z[n + (2 * LaneLayout.Samples)]);
                var v = T.Load(x + (0 * T.Count));
                T.MultiplyAdd(s0, v, ref a0);
                T.MultiplyAdd(s1, v, ref b0);
                T.MultiplyAdd(s2, v, ref c0);
                v = T.Load(x + (1 * T.Count));
                T.MultiplyAdd(s0, v, ref a1);
                T.MultiplyAdd(s1, v, ref b1);
                T.MultiplyAdd(s2, v, ref c1);
                v = T.Load(x + (2 * T.Count));
                T.MultiplyAdd(s0, v, ref a2);
                T.MultiplyAdd(s1, v, ref b2);
                T.MultiplyAdd(s2, v, ref c2);
                v = T.Load(x + (3 * T.Count));
                T.MultiplyAdd(s0, v, ref a3);
                T.MultiplyAdd(s1, v, ref b3);
                T.MultiplyAdd(s2, v, ref c3);
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
    }
}
