using System.Buffers.Binary;
using System.Text;

namespace CnnCluster.Trainer.StateChannel;

/// <summary>
/// The bytes on a state channel: a hello (magic, token, name), then chunks, each a 32-bit little-endian length
/// and that many bytes, a length of 0 ending the content; the receiver answers with one frame of its own, empty
/// when the content was accepted, else the reason.
/// </summary>
internal static class StateFrames
{
    /// <summary>Of a frame's length.</summary>
    public const int LengthBytes = 4;

    public const int TokenBytes = 16;
    public const int LongestName = 200;
    public const int LongestChunk = 1 << 20;

    /// <summary>Of the words that content is refused with, in bytes of UTF-8.</summary>
    public const int LongestRefusal = 10_000;

    public static ReadOnlySpan<byte> Magic => "CNNSTAT1"u8;

    public static byte[] Hello(ReadOnlySpan<byte> token, string name)
    {
        var text = Encoding.UTF8.GetBytes(name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(text.Length, LongestName, nameof(name));
        var hello = new byte[Magic.Length + TokenBytes + 4 + text.Length];
        Magic.CopyTo(hello);
        token.CopyTo(hello.AsSpan(Magic.Length));
        BinaryPrimitives.WriteInt32LittleEndian(hello.AsSpan(Magic.Length + TokenBytes), text.Length);
        text.CopyTo(hello.AsSpan(Magic.Length + TokenBytes + 4));
        return hello;
    }

    /// <summary>The words that content is refused with, as far as there is room for them, and no half of a character.</summary>
    public static ReadOnlySpan<byte> Refusal(string reason)
    {
        var bytes = new byte[LongestRefusal];
        Encoding.UTF8.GetEncoder().Convert(reason, bytes, flush: true, out _, out var used, out _);
        return bytes.AsSpan(0, used);
    }

    /// <summary>Reads a frame's length.</summary>
    /// <exception cref="InvalidDataException">The length is outside 0 … <paramref name="most"/>.</exception>
    public static int ReadLength(Stream stream, int most)
    {
        Span<byte> bytes = stackalloc byte[LengthBytes];
        stream.ReadExactly(bytes);
        return LengthOf(bytes, most)
            ?? throw new InvalidDataException($"a frame of {BinaryPrimitives.ReadInt32LittleEndian(bytes)} bytes, where 0 to {most} are allowed");
    }

    /// <summary>A frame's length as it was read; null where it is outside 0 … <paramref name="most"/>.</summary>
    public static int? LengthOf(ReadOnlySpan<byte> bytes, int most)
    {
        var length = BinaryPrimitives.ReadInt32LittleEndian(bytes);
        return length >= 0 && length <= most ? length : null;
    }

    public static void WriteFrame(Stream stream, ReadOnlySpan<byte> content)
    {
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, content.Length);
        stream.Write(length);
        stream.Write(content);
    }
}

/// <summary>Writes content as chunks of at most 1 MiB; <see cref="Complete"/> ends it.</summary>
internal sealed class ChunkWriter(Stream inner) : Stream
{
    private readonly byte[] buffer = new byte[StateFrames.LongestChunk];
    private int used;

    public override bool CanRead => false;
    public override bool CanSeek => false;
    public override bool CanWrite => true;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override void Write(ReadOnlySpan<byte> source)
    {
        while (source.Length > 0)
        {
            var count = Math.Min(source.Length, buffer.Length - used);
            source[..count].CopyTo(buffer.AsSpan(used));
            used += count;
            source = source[count..];
            if (used == buffer.Length)
            {
                Flush();
            }
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
        if (used > 0)
        {
            StateFrames.WriteFrame(inner, buffer.AsSpan(0, used));
            used = 0;
        }
    }

    /// <summary>Writes what is left and the end mark.</summary>
    public void Complete()
    {
        Flush();
        StateFrames.WriteFrame(inner, []);
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
}

/// <summary>Reads content from chunks, up to the end mark.</summary>
internal sealed class ChunkReader(Stream inner) : Stream
{
    private int left;
    private bool ended;

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(Span<byte> destination)
    {
        if (destination.IsEmpty)
        {
            return 0;
        }

        if (left == 0 && !ended)
        {
            left = StateFrames.ReadLength(inner, StateFrames.LongestChunk);
            ended = left == 0;
        }

        if (ended)
        {
            return 0;
        }

        var count = inner.Read(destination[..Math.Min(destination.Length, left)]);
        if (count == 0)
        {
            throw new EndOfStreamException("the sender closed the connection in the middle of its content");
        }

        left -= count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));
    public override void Flush() => throw new NotSupportedException();
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
