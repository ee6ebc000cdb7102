using System.Runtime.CompilerServices;
using CnnCluster.Kernels.Layers.Lanes;

namespace CnnCluster.Kernels.Layers.Winograd;

/// <summary>The transformations of F(2×2, 3×3) of a kernel and of its gradient, 16 columns at a time.</summary>
[SkipLocalsInit]
internal static unsafe class KernelTransforms
{
    private const int Lanes = LaneLayout.Samples;
    private const int Elements = 9;

    /// <summary>G·g·Gᵀ of a kernel's elements: [16][rows][columns], of which a product's tile of columns lies together.</summary>
    /// <param name="kernel">(filters, channels, 3, 3).</param>
    /// <param name="shape">Whose rows are channels and whose columns are filters.</param>
    /// <param name="turned">The kernel of the input's gradient: rows and columns are exchanged, and it is turned around.</param>
    /// <param name="to">Written.</param>
    public static void Kernel<T>(float* kernel, WinogradShape shape, bool turned, float* to)
        where T : unmanaged, ILanes<T>
    {
        // Of the turned kernel the shape's columns are this kernel's channels.
        nint row = turned ? (nint)shape.Filters * Elements : Elements, column = turned ? Elements : (nint)shape.Channels * Elements;
        var elements = stackalloc float[Elements * Lanes];
        for (var c = 0; c < shape.Channels; c++)
        {
            for (var k = 0; k < shape.Filters; k += Lanes)
            {
                var from = kernel + (c * row) + (k * column);
                for (var lane = 0; lane < Lanes; lane++)
                {
                    for (var e = 0; e < Elements; e++)
                    {
                        elements[((turned ? Elements - 1 - e : e) * Lanes) + lane] = from[(lane * column) + e];
                    }
                }

                Kernel<T>(elements, to + shape.PlaceInColumns(c, k), (nint)shape.Channels * shape.Filters);
            }
        }
    }

    /// <summary>Gᵀ·u·G of the gradient of a transformed kernel.</summary>
    /// <param name="from">[16][channels][filters].</param>
    /// <param name="shape">Of the forward pass.</param>
    /// <param name="gradient">(filters, channels, 3, 3), written.</param>
    public static void KernelGradient<T>(float* from, WinogradShape shape, float* gradient)
        where T : unmanaged, ILanes<T>
    {
        var elements = stackalloc float[Elements * Lanes];
        var column = (nint)shape.Channels * Elements;
        for (var c = 0; c < shape.Channels; c++)
        {
            for (var k = 0; k < shape.Filters; k += Lanes)
            {
                KernelGradient<T>(from + ((nint)c * shape.Filters) + k, (nint)shape.Channels * shape.Filters, elements);
                var to = gradient + (c * Elements) + (k * column);
                for (var lane = 0; lane < Lanes; lane++)
                {
                    for (var e = 0; e < Elements; e++)
                    {
                        to[(lane * column) + e] = elements[(e * Lanes) + lane];
                    }
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Kernel<T>(float* g, float* to, nint pitch)
        where T : unmanaged, ILanes<T>
    {
        for (var lane = 0; lane < Lanes; lane += T.Count)
        {
            float* from = g + lane, at = to + lane;
            T g00 = At<T>(from, 0), g01 = At<T>(from, 1), g02 = At<T>(from, 2);
            T g10 = At<T>(from, 3), g11 = At<T>(from, 4), g12 = At<T>(from, 5);
            T g20 = At<T>(from, 6), g21 = At<T>(from, 7), g22 = At<T>(from, 8);
            Row(g00, g01, g02, at, pitch);
            Row(Half(g00, g10, g20, plus: true), Half(g01, g11, g21, plus: true), Half(g02, g12, g22, plus: true), at + (4 * pitch), pitch);
            Row(Half(g00, g10, g20, plus: false), Half(g01, g11, g21, plus: false), Half(g02, g12, g22, plus: false), at + (8 * pitch), pitch);
            Row(g20, g21, g22, at + (12 * pitch), pitch);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void KernelGradient<T>(float* u, nint pitch, float* g)
        where T : unmanaged, ILanes<T>
    {
        for (var lane = 0; lane < Lanes; lane += T.Count)
        {
            var at = u + lane;
            var half = T.Create(0.5f);
            T u00 = T.Load(at + (0 * pitch)), u10 = T.Load(at + (4 * pitch)), u20 = T.Load(at + (8 * pitch)), u30 = T.Load(at + (12 * pitch));
            T w0 = T.Multiply(half, T.Add(u10, u20)), h00 = T.Add(u00, w0), h10 = T.Multiply(half, T.Subtract(u10, u20)), h20 = T.Add(w0, u30);
            T u01 = T.Load(at + (1 * pitch)), u11 = T.Load(at + (5 * pitch)), u21 = T.Load(at + (9 * pitch)), u31 = T.Load(at + (13 * pitch));
            T w1 = T.Multiply(half, T.Add(u11, u21)), h01 = T.Add(u01, w1), h11 = T.Multiply(half, T.Subtract(u11, u21)), h21 = T.Add(w1, u31);
            T u02 = T.Load(at + (2 * pitch)), u12 = T.Load(at + (6 * pitch)), u22 = T.Load(at + (10 * pitch)), u32 = T.Load(at + (14 * pitch));
            T w2 = T.Multiply(half, T.Add(u12, u22)), h02 = T.Add(u02, w2), h12 = T.Multiply(half, T.Subtract(u12, u22)), h22 = T.Add(w2, u32);
            T u03 = T.Load(at + (3 * pitch)), u13 = T.Load(at + (7 * pitch)), u23 = T.Load(at + (11 * pitch)), u33 = T.Load(at + (15 * pitch));
            T w3 = T.Multiply(half, T.Add(u13, u23)), h03 = T.Add(u03, w3), h13 = T.Multiply(half, T.Subtract(u13, u23)), h23 = T.Add(w3, u33);
            var x0 = T.Multiply(half, T.Add(h01, h02));
            T.Store(T.Add(h00, x0), g + lane + (0 * Lanes));
            T.Store(T.Multiply(half, T.Subtract(h01, h02)), g + lane + (1 * Lanes));
            T.Store(T.Add(x0, h03), g + lane + (2 * Lanes));
            var x1 = T.Multiply(half, T.Add(h11, h12));
            T.Store(T.Add(h10, x1), g + lane + (3 * Lanes));
            T.Store(T.Multiply(half, T.Subtract(h11, h12)), g + lane + (4 * Lanes));
            T.Store(T.Add(x1, h13), g + lane + (5 * Lanes));
            var x2 = T.Multiply(half, T.Add(h21, h22));
            T.Store(T.Add(h20, x2), g + lane + (6 * Lanes));
            T.Store(T.Multiply(half, T.Subtract(h21, h22)), g + lane + (7 * Lanes));
            T.Store(T.Add(x2, h23), g + lane + (8 * Lanes));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T At<T>(float* elements, int element)
        where T : unmanaged, ILanes<T> => T.Load(elements + (element * Lanes));

    /// <summary>(a + b + c)/2 or (a − b + c)/2.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Half<T>(T a, T b, T c, bool plus)
        where T : unmanaged, ILanes<T>
    {
        var outer = T.Add(a, c);
        return T.Multiply(T.Create(0.5f), plus ? T.Add(outer, b) : T.Subtract(outer, b));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Row<T>(T a, T b, T c, float* to, nint pitch)
        where T : unmanaged, ILanes<T>
    {
        T.Store(a, to);
        T.Store(Half(a, b, c, plus: true), to + pitch);
        T.Store(Half(a, b, c, plus: false), to + (2 * pitch));
        T.Store(c, to + (3 * pitch));
    }
}
