using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>Sixteen numbers in four rows become four columns.</summary>
internal static unsafe class SquareTransposition
{
    /// <summary>The side of the square.</summary>
    public const int Side = 4;

    /// <param name="from">Four rows of four.</param>
    /// <param name="fromPitch">Floats from a row to the next.</param>
    /// <param name="to">Written: the rows' columns as rows.</param>
    /// <param name="toPitch">Floats from a row to the next.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run(float* from, nint fromPitch, float* to, nint toPitch)
    {
        var (a, b) = (Vector128.Load(from), Vector128.Load(from + fromPitch));
        var (c, d) = (Vector128.Load(from + (2 * fromPitch)), Vector128.Load(from + (3 * fromPitch)));
        // a0 c0 a1 c1, a2 c2 a3 c3 and the same of b and d, then those interleaved in their turn.
        var (evenLow, evenHigh) = (Lower(a, c), Upper(a, c));
        var (oddLow, oddHigh) = (Lower(b, d), Upper(b, d));
        Lower(evenLow, oddLow).Store(to);
        Upper(evenLow, oddLow).Store(to + toPitch);
        Lower(evenHigh, oddHigh).Store(to + (2 * toPitch));
        Upper(evenHigh, oddHigh).Store(to + (3 * toPitch));
    }

    /// <summary>x0 y0 x1 y1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Lower(Vector128<float> x, Vector128<float> y) =>
        Sse.IsSupported ? Sse.UnpackLow(x, y)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(x, y)
        : Vector128.Create(x[0], y[0], x[1], y[1]);

    /// <summary>x2 y2 x3 y3.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Upper(Vector128<float> x, Vector128<float> y) =>
        Sse.IsSupported ? Sse.UnpackHigh(x, y)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(x, y)
        : Vector128.Create(x[2], y[2], x[3], y[3]);
}
