using System.Runtime.CompilerServices;
using CnnCluster.Kernels.Layers.Lanes;

namespace CnnCluster.Kernels.Layers.Winograd;

/// <summary>
/// The transformations of F(2×2, 3×3) of a tile's pixels (Lavin, Gray, CVPR 2016, section 4.1), 16 channels at a time: two
/// by two results of a 3×3 kernel take 16 products in place of 36.
/// </summary>
internal static unsafe class PixelTransforms
{
    /// <summary>Bᵀ·d·B of the 4×4 pixels that a tile's results see.</summary>
    /// <param name="pixels">Where each of the 16 pixels' channels lie, row by row.</param>
    /// <param name="channels">A multiple of 16.</param>
    /// <param name="to">The first of 16 results, [channels] each.</param>
    /// <param name="pitch">Floats from one to the next.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Input<T>(float** pixels, int channels, float* to, nint pitch)
        where T : unmanaged, ILanes<T>
    {
        for (nint c = 0; c < channels; c += T.Count)
        {
            T d00 = T.Load(pixels[0] + c), d10 = T.Load(pixels[4] + c), d20 = T.Load(pixels[8] + c), d30 = T.Load(pixels[12] + c);
            T t00 = T.Subtract(d00, d20), t10 = T.Add(d10, d20), t20 = T.Subtract(d20, d10), t30 = T.Subtract(d10, d30);
            T d01 = T.Load(pixels[1] + c), d11 = T.Load(pixels[5] + c), d21 = T.Load(pixels[9] + c), d31 = T.Load(pixels[13] + c);
            T t01 = T.Subtract(d01, d21), t11 = T.Add(d11, d21), t21 = T.Subtract(d21, d11), t31 = T.Subtract(d11, d31);
            T d02 = T.Load(pixels[2] + c), d12 = T.Load(pixels[6] + c), d22 = T.Load(pixels[10] + c), d32 = T.Load(pixels[14] + c);
            T t02 = T.Subtract(d02, d22), t12 = T.Add(d12, d22), t22 = T.Subtract(d22, d12), t32 = T.Subtract(d12, d32);
            T d03 = T.Load(pixels[3] + c), d13 = T.Load(pixels[7] + c), d23 = T.Load(pixels[11] + c), d33 = T.Load(pixels[15] + c);
            T t03 = T.Subtract(d03, d23), t13 = T.Add(d13, d23), t23 = T.Subtract(d23, d13), t33 = T.Subtract(d13, d33);
            var at = to + c;
            T.Store(T.Subtract(t00, t02), at);
            T.Store(T.Add(t01, t02), at + (1 * pitch));
            T.Store(T.Subtract(t02, t01), at + (2 * pitch));
            T.Store(T.Subtract(t01, t03), at + (3 * pitch));
            T.Store(T.Subtract(t10, t12), at + (4 * pitch));
            T.Store(T.Add(t11, t12), at + (5 * pitch));
            T.Store(T.Subtract(t12, t11), at + (6 * pitch));
            T.Store(T.Subtract(t11, t13), at + (7 * pitch));
            T.Store(T.Subtract(t20, t22), at + (8 * pitch));
            T.Store(T.Add(t21, t22), at + (9 * pitch));
            T.Store(T.Subtract(t22, t21), at + (10 * pitch));
            T.Store(T.Subtract(t21, t23), at + (11 * pitch));
            T.Store(T.Subtract(t30, t32), at + (12 * pitch));
            T.Store(T.Add(t31, t32), at + (13 * pitch));
            T.Store(T.Subtract(t32, t31), at + (14 * pitch));
            T.Store(T.Subtract(t31, t33), at + (15 * pitch));
        }
    }

    /// <summary>Aᵀ·m·A: a tile's 2×2 results, with what follows them.</summary>
    /// <param name="from">The first of 16 products, [filters] each.</param>
    /// <param name="pitch">Floats from one to the next.</param>
    /// <param name="filters">A multiple of 16.</param>
    /// <param name="bias">Added, one a filter; null for none.</param>
    /// <param name="relu">Whether max(0, x) follows.</param>
    /// <param name="pixels">Where the four pixels' filters lie, row by row.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Output<T>(float* from, nint pitch, int filters, float* bias, bool relu, float** pixels)
        where T : unmanaged, ILanes<T>
    {
        for (nint k = 0; k < filters; k += T.Count)
        {
            var at = from + k;
            T m00 = T.Load(at + (0 * pitch)), m10 = T.Load(at + (4 * pitch)), m20 = T.Load(at + (8 * pitch)), m30 = T.Load(at + (12 * pitch));
            T u0 = T.Add(T.Add(m00, m10), m20), v0 = T.Subtract(T.Subtract(m10, m20), m30);
            T m01 = T.Load(at + (1 * pitch)), m11 = T.Load(at + (5 * pitch)), m21 = T.Load(at + (9 * pitch)), m31 = T.Load(at + (13 * pitch));
            T u1 = T.Add(T.Add(m01, m11), m21), v1 = T.Subtract(T.Subtract(m11, m21), m31);
            T m02 = T.Load(at + (2 * pitch)), m12 = T.Load(at + (6 * pitch)), m22 = T.Load(at + (10 * pitch)), m32 = T.Load(at + (14 * pitch));
            T u2 = T.Add(T.Add(m02, m12), m22), v2 = T.Subtract(T.Subtract(m12, m22), m32);
            T m03 = T.Load(at + (3 * pitch)), m13 = T.Load(at + (7 * pitch)), m23 = T.Load(at + (11 * pitch)), m33 = T.Load(at + (15 * pitch));
            T u3 = T.Add(T.Add(m03, m13), m23), v3 = T.Subtract(T.Subtract(m13, m23), m33);
            var y00 = T.Add(T.Add(u0, u1), u2);
            var y01 = T.Subtract(T.Subtract(u1, u2), u3);
            var y10 = T.Add(T.Add(v0, v1), v2);
            var y11 = T.Subtract(T.Subtract(v1, v2), v3);
            if (bias is not null)
            {
                var added = T.Load(bias + k);
                y00 = T.Add(y00, added);
                y01 = T.Add(y01, added);
                y10 = T.Add(y10, added);
                y11 = T.Add(y11, added);
            }

            if (relu)
            {
                y00 = Pointwise.Relu(y00);
                y01 = Pointwise.Relu(y01);
                y10 = Pointwise.Relu(y10);
                y11 = Pointwise.Relu(y11);
            }

            T.Store(y00, pixels[0] + k);
            T.Store(y01, pixels[1] + k);
            T.Store(y10, pixels[2] + k);
            T.Store(y11, pixels[3] + k);
        }
    }

    /// <summary>A·g·Aᵀ of a tile's 2×2 gradients.</summary>
    /// <param name="pixels">Where the four pixels' filters lie, row by row.</param>
    /// <param name="filters">A multiple of 16.</param>
    /// <param name="to">The first of 16 results, [filters] each.</param>
    /// <param name="pitch">Floats from one to the next.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Gradient<T>(float** pixels, int filters, float* to, nint pitch)
        where T : unmanaged, ILanes<T>
    {
        for (nint k = 0; k < filters; k += T.Count)
        {
            T g00 = T.Load(pixels[0] + k), g01 = T.Load(pixels[1] + k), g10 = T.Load(pixels[2] + k), g11 = T.Load(pixels[3] + k);
            T p0 = T.Add(g00, g10), p1 = T.Add(g01, g11), q0 = T.Subtract(g00, g10), q1 = T.Subtract(g01, g11);
            T n0 = T.Subtract(T.Zero, g10), n1 = T.Subtract(T.Zero, g11);
            var at = to + k;
            Row(g00, g01, at, pitch);
            Row(p0, p1, at + (4 * pitch), pitch);
            Row(q0, q1, at + (8 * pitch), pitch);
            Row(n0, n1, at + (12 * pitch), pitch);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Row<T>(T a, T b, float* to, nint pitch)
        where T : unmanaged, ILanes<T>
    {
        T.Store(a, to);
        T.Store(T.Add(a, b), to + pitch);
        T.Store(T.Subtract(a, b), to + (2 * pitch));
        T.Store(T.Subtract(T.Zero, b), to + (3 * pitch));
    }
}
