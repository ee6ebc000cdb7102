using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CnnCluster.Trainer.Data;

/// <summary>Bytes as numbers from 0 to 1.</summary>
public static class UnitPixels
{
    private const int CacheLine = 64;

    /// <summary>Of a longer sample the rest comes by itself: the processor follows a line of reads.</summary>
    private const int ExpectedBytes = 4096;

    /// <summary>value/255 of each byte, rounded once: the product with 1/255, and what it lacks (a division takes twice as long).</summary>
    public static void From(ReadOnlySpan<byte> bytes, Span<float> destination)
    {
        ref var source = ref MemoryMarshal.GetReference(bytes);
        ref var to = ref MemoryMarshal.GetReference(destination[..bytes.Length]);
        var i = 0;
        if (Vector512.IsHardwareAccelerated)
        {
            for (; i <= bytes.Length - Vector256<byte>.Count; i += Vector256<byte>.Count)
            {
                var (first, second) = Vector512.Widen(Vector512.WidenLower(Vector256.LoadUnsafe(ref source, (nuint)i).ToVector512Unsafe()));
                Unit(Vector512.ConvertToSingle(first.AsInt32())).StoreUnsafe(ref to, (nuint)i);
                Unit(Vector512.ConvertToSingle(second.AsInt32())).StoreUnsafe(ref to, (nuint)i + 16);
            }
        }

        for (; i <= bytes.Length - Vector128<byte>.Count; i += Vector128<byte>.Count)
        {
            var (low, high) = Vector128.Widen(Vector128.LoadUnsafe(ref source, (nuint)i));
            var (first, second) = Vector128.Widen(low);
            var (third, fourth) = Vector128.Widen(high);
            Unit(Vector128.ConvertToSingle(first.AsInt32())).StoreUnsafe(ref to, (nuint)i);
            Unit(Vector128.ConvertToSingle(second.AsInt32())).StoreUnsafe(ref to, (nuint)i + 4);
            Unit(Vector128.ConvertToSingle(third.AsInt32())).StoreUnsafe(ref to, (nuint)i + 8);
            Unit(Vector128.ConvertToSingle(fourth.AsInt32())).StoreUnsafe(ref to, (nuint)i + 12);
        }

        for (; i < bytes.Length; i++)
        {
            destination[i] = bytes[i] / 255f;
        }
    }

    /// <summary>Has bytes fetched into the cache that are needed next: samples lie anywhere in a set, and memory is slow.</summary>
    public static unsafe void Expect(ReadOnlySpan<byte> bytes)
    {
        if (!Sse.IsSupported) return;
        fixed (byte* first = bytes)
        {
            for (var line = 0; line < Math.Min(bytes.Length, ExpectedBytes); line += CacheLine)
            {
                Sse.Prefetch0(first + line);
            }
        }
    }

    private static Vector512<float> Unit(Vector512<float> values)
    {
        var inverse = Vector512.Create(1 / 255f);
        var product = values * inverse;
        var lacking = Vector512.FusedMultiplyAdd(-product, Vector512.Create(255f), values);
        return Vector512.FusedMultiplyAdd(lacking, inverse, product);
    }

    private static Vector128<float> Unit(Vector128<float> values)
    {
        var inverse = Vector128.Create(1 / 255f);
        var product = values * inverse;
        var lacking = Vector128.FusedMultiplyAdd(-product, Vector128.Create(255f), values);
        return Vector128.FusedMultiplyAdd(lacking, inverse, product);
    }
}
