using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CnnCluster.Kernels;

/// <summary>Philox4x32-10's numbers: Salmon and others, SC 2011, section 3.3 and table 2.</summary>
internal static class PhiloxConstants
{
    public const int Rounds = 10;
    public const uint Multiplier0 = 0xD2511F53;
    public const uint Multiplier1 = 0xCD9E8D57;
    public const uint Weyl0 = 0x9E3779B9;
    public const uint Weyl1 = 0xBB67AE85;
}

/// <summary>Four Philox blocks at a time: word w of all four lies in one vector, each word in a 64-bit element.</summary>
internal static class PhiloxVectors
{
    private const int WordsAtATime = 16;
    private static readonly Vector256<ulong> LowWord = Vector256.Create((ulong)uint.MaxValue);

    /// <summary>Fills as many leading elements as make whole groups of four blocks; the rest is left alone.</summary>
    /// <returns>How many elements were filled.</returns>
    public static int Fill(RandomKey key, ulong row, Span<uint> destination)
    {
        // A span has less than 2³¹ elements, so a block's number fits into the counter's first word.
        var block = Vector256.Create(0UL, 1, 2, 3);
        var groups = MemoryMarshal.Cast<uint, ulong>(destination[..(destination.Length / WordsAtATime * WordsAtATime)]);
        for (var i = 0; i < groups.Length; i += WordsAtATime / 2)
        {
            var (first, second) = Blocks(key, row, block);
            Interleaved(first, second, 0, 1).CopyTo(groups[i..]);
            Interleaved(first, second, 2, 3).CopyTo(groups[(i + 4)..]);
            block += Vector256.Create(4UL);
        }

        return groups.Length * 2;
    }

    /// <summary>Words 0 and 1, then words 2 and 3, of four blocks; the lower word is the lower half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<ulong> First, Vector256<ulong> Second) Blocks(RandomKey key, ulong row, Vector256<ulong> block)
    {
        var (c0, c1) = (block, Vector256<ulong>.Zero);
        var (c2, c3) = (Vector256.Create(row & uint.MaxValue), Vector256.Create(row >> 32));
        var (k0, k1) = ((uint)key.Value, (uint)(key.Value >> 32));
        for (var round = 0; round < PhiloxConstants.Rounds; round++)
        {
            var p0 = Multiply(c0, PhiloxConstants.Multiplier0);
            var p1 = Multiply(c2, PhiloxConstants.Multiplier1);
            (c0, c1, c2, c3) = ((p1 >> 32) ^ c1 ^ Vector256.Create((ulong)k0), p1 & LowWord, (p0 >> 32) ^ c3 ^ Vector256.Create((ulong)k1), p0 & LowWord);
            k0 += PhiloxConstants.Weyl0;
            k1 += PhiloxConstants.Weyl1;
        }

        return (c0 | (c1 << 32), c2 | (c3 << 32));
    }

    /// <summary>The 64-bit products of 32-bit words.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ulong> Multiply(Vector256<ulong> words, uint factor) => Avx2.IsSupported
        ? Avx2.Multiply(words.AsUInt32(), Vector256.Create((ulong)factor).AsUInt32())
        : words * factor;

    /// <summary>Both halves of block <paramref name="a"/>, then of block <paramref name="b"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ulong> Interleaved(Vector256<ulong> first, Vector256<ulong> second, ulong a, ulong b)
    {
        var places = Vector256.Create(a, a, b, b);
        return Vector256.ConditionalSelect(
            Vector256.Create(ulong.MaxValue, 0, ulong.MaxValue, 0),
            Vector256.Shuffle(first, places),
            Vector256.Shuffle(second, places));
    }
}
