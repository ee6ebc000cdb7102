using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace CnnCluster.Kernels.Collectives;

/// <summary>What float32 becomes on the wire.</summary>
public enum WireFormat
{
    /// <summary>float32's range with 8 bits of fraction.</summary>
    BFloat16,

    /// <summary>11 bits of fraction, and nothing above 65,504: larger values become infinite.</summary>
    Float16,
}

/// <summary>Rounds float32 to 16 bits, to nearest and ties to even, and back; NaN stays NaN.</summary>
internal static class Wire
{
    /// <param name="format">What the numbers become.</param>
    /// <param name="values">float32.</param>
    /// <param name="rounded">Receives as many numbers of 16 bits.</param>
    public static void Round(WireFormat format, ReadOnlySpan<float> values, Span<ushort> rounded)
    {
        if (format == WireFormat.Float16) TensorPrimitives.ConvertToHalf(values, MemoryMarshal.Cast<ushort, Half>(rounded));
        else RoundToBFloat16(values, rounded);
    }

    /// <param name="format">What the numbers are.</param>
    /// <param name="rounded">Numbers of 16 bits.</param>
    /// <param name="values">Receives as many float32, which have the same values.</param>
    public static void Expand(WireFormat format, ReadOnlySpan<ushort> rounded, Span<float> values)
    {
        if (format == WireFormat.Float16) TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<ushort, Half>(rounded), values);
        else ExpandBFloat16(rounded, values);
    }

    private static void RoundToBFloat16(ReadOnlySpan<float> values, Span<ushort> rounded)
    {
        var (whole, step) = (values.Length - (values.Length % Vector<ushort>.Count), Vector<uint>.Count);
        for (var i = 0; i < whole; i += 2 * step)
        {
            var (low, high) = (Upper(new Vector<float>(values[i..])), Upper(new Vector<float>(values[(i + step)..])));
            Vector.Narrow(low, high).CopyTo(rounded[i..]);
        }

        for (var i = whole; i < values.Length; i++)
        {
            rounded[i] = (ushort)Upper(new Vector<float>(values[i]))[0];
        }
    }

    /// <summary>The upper halves after rounding: half a unit less one is added, and one more where the unit is odd.</summary>
    private static Vector<uint> Upper(Vector<float> values)
    {
        var bits = Vector.AsVectorUInt32(values);
        var odd = (bits >>> 16) & Vector<uint>.One;
        var quiet = bits | new Vector<uint>(0x0040_0000);
        var isNumber = Vector.AsVectorUInt32(Vector.Equals(values, values));
        return Vector.ConditionalSelect(isNumber, bits + new Vector<uint>(0x7fff) + odd, quiet) >>> 16;
    }

    private static void ExpandBFloat16(ReadOnlySpan<ushort> rounded, Span<float> values)
    {
        var (whole, step) = (values.Length - (values.Length % Vector<ushort>.Count), Vector<uint>.Count);
        for (var i = 0; i < whole; i += 2 * step)
        {
            Vector.Widen(new Vector<ushort>(rounded[i..]), out var low, out var high);
            Vector.AsVectorSingle(low << 16).CopyTo(values[i..]);
            Vector.AsVectorSingle(high << 16).CopyTo(values[(i + step)..]);
        }

        for (var i = whole; i < values.Length; i++)
        {
            values[i] = BitConverter.UInt32BitsToSingle((uint)rounded[i] << 16);
        }
    }
}
