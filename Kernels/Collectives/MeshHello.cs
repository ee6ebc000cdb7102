using System.Buffers.Binary;
using System.Security.Cryptography;

namespace CnnCluster.Kernels.Collectives;

/// <summary>What both sides of a mesh's connection must agree on before either trusts the other.</summary>
/// <remarks>
/// The connecting side sends magic (8 bytes), version (int32), generation (int64), token (16 bytes) and its rank (int32),
/// little-endian; the accepting side answers with <see cref="Welcome"/>, or closes.
/// </remarks>
internal sealed class MeshHello
{
    public const int TokenBytes = 16;
    public const int Length = 8 + 4 + 8 + TokenBytes + 4;
    public const byte Welcome = 0x57;
    private const int Version = 1;
    private const int RankOffset = Length - 4;

    private readonly byte[] expected = new byte[RankOffset];

    public MeshHello(long generation, ReadOnlySpan<byte> token)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(token.Length, TokenBytes);
        "CnnMesh\n"u8.CopyTo(expected);
        BinaryPrimitives.WriteInt32LittleEndian(expected.AsSpan(8), Version);
        BinaryPrimitives.WriteInt64LittleEndian(expected.AsSpan(12), generation);
        token.CopyTo(expected.AsSpan(20));
    }

    /// <summary>The hello that this rank sends.</summary>
    public byte[] From(Rank rank)
    {
        var hello = new byte[Length];
        expected.CopyTo(hello, 0);
        BinaryPrimitives.WriteInt32LittleEndian(hello.AsSpan(RankOffset), rank.Value);
        return hello;
    }

    /// <summary>The rank that sent a hello; null if it is a stranger's.</summary>
    public Rank? Sender(ReadOnlySpan<byte> hello) =>
        CryptographicOperations.FixedTimeEquals(hello[..RankOffset], expected)
            ? new Rank(BinaryPrimitives.ReadInt32LittleEndian(hello[RankOffset..]))
            : null;
}
