using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace CnnCluster.Trainer.Data;

/// <summary>Bytes as numbers from 0 to 1.</summary>
public static class UnitPixels
{
    /// <summary>value/255 of each byte, rounded once: the product with 1/255, and what it lacks (a division takes twice as long).</summary>
    public static void From(ReadOnlySpan<byte> bytes, Span<float> destination)
    {
        ref var source = ref MemoryMarshal.GetReference(bytes);
        ref var to = ref MemoryMarshal.GetReference(destination[..bytes.Length]);
        var i = 0;
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

    private static Vector128<float> Unit(Vector128<float> values)
    {
        var inverse = Vector128.Create(1 / 255f);
        var product = values * inverse;
        var lacking = Vector128.FusedMultiplyAdd(-product, Vector128.Create(255f), values);
        return Vector128.FusedMultiplyAdd(lacking, inverse, product);
    }
}
