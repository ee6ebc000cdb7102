using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace CnnCluster.Trainer.Data;

/// <summary>Bytes as numbers from 0 to 1.</summary>
public static class UnitPixels
{
    /// <summary>value/255 of each byte, rounded once.</summary>
    public static void From(ReadOnlySpan<byte> bytes, Span<float> destination)
    {
        var scale = Vector128.Create(255f);
        ref var source = ref MemoryMarshal.GetReference(bytes);
        ref var to = ref MemoryMarshal.GetReference(destination[..bytes.Length]);
        var i = 0;
        for (; i <= bytes.Length - Vector128<byte>.Count; i += Vector128<byte>.Count)
        {
            var (low, high) = Vector128.Widen(Vector128.LoadUnsafe(ref source, (nuint)i));
            var (first, second) = Vector128.Widen(low);
            var (third, fourth) = Vector128.Widen(high);
            (Vector128.ConvertToSingle(first.AsInt32()) / scale).StoreUnsafe(ref to, (nuint)i);
            (Vector128.ConvertToSingle(second.AsInt32()) / scale).StoreUnsafe(ref to, (nuint)i + 4);
            (Vector128.ConvertToSingle(third.AsInt32()) / scale).StoreUnsafe(ref to, (nuint)i + 8);
            (Vector128.ConvertToSingle(fourth.AsInt32()) / scale).StoreUnsafe(ref to, (nuint)i + 12);
        }

        for (; i < bytes.Length; i++)
        {
            destination[i] = bytes[i] / 255f;
        }
    }
}
