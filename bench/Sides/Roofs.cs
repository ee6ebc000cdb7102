using System.Diagnostics;
using static TorchSharp.torch;

namespace CnnCluster.Bench.Sides;

/// <summary>What this machine can do at best: the roofs that kernels are held against.</summary>
internal static class Roofs
{
    private const int Side = 1024;
    private const int CopyFloats = 25_000_000;
    private const int WarmUp = 3;

    /// <summary>Floating-point operations per second of libtorch's product of two 1024×1024 matrices; the best of many.</summary>
    public static double Sgemm(double seconds)
    {
        using var a = rand(Side, Side);
        using var b = rand(Side, Side);
        return 2.0 * Side * Side * Side / Fastest(seconds, () => a.mm(b).Dispose());
    }

    /// <summary>Bytes per second, read and written, of copying 100 MB: STREAM's copy, by the runtime's memmove.</summary>
    public static double Copy(double seconds, int threads)
    {
        var (source, destination) = (new float[CopyFloats], new float[CopyFloats]);
        Array.Fill(source, 1);
        var part = (CopyFloats + threads - 1) / threads;
        return 2.0 * sizeof(float) * CopyFloats / Fastest(seconds, () => Parallel.For(0, threads, CopyPart));

        void CopyPart(int thread)
        {
            var first = thread * part;
            var length = Math.Min(part, CopyFloats - first);
            source.AsSpan(first, length).CopyTo(destination.AsSpan(first));
        }
    }

    private static double Fastest(double seconds, Action action)
    {
        for (var i = 0; i < WarmUp; i++)
        {
            action();
        }

        var (clock, fastest) = (Stopwatch.StartNew(), double.PositiveInfinity);
        while (clock.Elapsed.TotalSeconds < seconds)
        {
            var before = Stopwatch.GetTimestamp();
            action();
            fastest = Math.Min(fastest, Stopwatch.GetElapsedTime(before).TotalSeconds);
        }

        return fastest;
    }
}
