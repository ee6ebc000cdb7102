using System.Buffers.Binary;

namespace CnnCluster.Kernels.Collectives;

/// <summary>What an operation does, as messages name it.</summary>
internal enum OperationKind
{
    Reduction,
    ReduceScatter,
    AllGather,
    Delivery,
    Broadcast,
    Barrier,

    /// <summary>Shared memory is being offered and answered.</summary>
    Handover,
}

/// <summary>An operation that a message is part of.</summary>
/// <param name="Kind">What it does.</param>
/// <param name="Bytes">The length of its buffer, the same on every rank.</param>
internal readonly record struct Operation(OperationKind Kind, long Bytes);

/// <summary>What stands in front of each message.</summary>
/// <param name="Number">Counts one side's messages.</param>
/// <param name="Length">The message's bytes.</param>
/// <param name="Operation">What it is part of.</param>
internal readonly record struct MessageHeader(int Number, int Length, Operation Operation)
{
    /// <summary>Number, length and kind as int32, four bytes of nothing, the buffer's length as int64; little-endian.</summary>
    public const int Size = 24;

    public static MessageHeader ReadFrom(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadInt32LittleEndian(bytes),
        BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]),
        new Operation((OperationKind)BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]), BinaryPrimitives.ReadInt64LittleEndian(bytes[16..])));

    public void WriteTo(Span<byte> bytes)
    {
        BinaryPrimitives.WriteInt32LittleEndian(bytes, Number);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[4..], Length);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[8..], (int)Operation.Kind);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[12..], 0);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[16..], Operation.Bytes);
    }

    public override string ToString() => $"message {Number}, {Length} of the {Operation.Bytes} bytes of a {Operation.Kind},";
}
