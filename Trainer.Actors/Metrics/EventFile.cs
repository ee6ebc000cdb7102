using System.Buffers.Binary;
using System.Numerics;
using Google.Protobuf;
using Tensorboard;

namespace CnnCluster.Trainer.Metrics;

/// <summary>
/// An event file that TensorBoard reads while it grows: TFRecords (tensorflow/core/lib/io/record_writer.h), each one
/// <see cref="Event"/>. The messages are TorchSharp's; its SummaryWriter is not used, since it stamps the file's first
/// event with .NET ticks in the place of seconds, and opens the file anew for every value.
/// </summary>
internal sealed class EventFile : IDisposable
{
    private const string Version = "brain.Event:2";
    private readonly FileStream stream;
    private readonly TimeProvider clock;

    /// <summary>Makes a file, and the folder if it is missing.</summary>
    /// <exception cref="IOException">The file system refuses.</exception>
    public EventFile(string folder, TimeProvider clock)
    {
        this.clock = clock;
        Directory.CreateDirectory(folder);
        // TensorBoard looks for "tfevents", and reads a run's files in the order of their names.
        var name = $"events.out.tfevents.{clock.GetUtcNow().ToUnixTimeSeconds():D10}.{Environment.MachineName}.{Guid.NewGuid():N}";
        // Without a buffer each record is one write: a reader never waits for the rest of one.
        stream = new FileStream(
            Path.Combine(folder, name), FileMode.CreateNew, FileAccess.Write, FileShare.Read, bufferSize: 0);
        Write(new Event { FileVersion = Version });
    }

    /// <summary>Appends an event, with the time set to now; readers see it when this returns.</summary>
    public void Write(Event message)
    {
        message.WallTime = (clock.GetUtcNow() - DateTimeOffset.UnixEpoch).TotalSeconds;
        stream.Write(Record(message.ToByteArray()));
    }

    public void Dispose() => stream.Dispose();

    /// <summary>Length (64 bits), its CRC, the data, their CRC; all little-endian.</summary>
    private static byte[] Record(ReadOnlySpan<byte> data)
    {
        var record = new byte[sizeof(ulong) + sizeof(uint) + data.Length + sizeof(uint)];
        var length = record.AsSpan(0, sizeof(ulong));
        BinaryPrimitives.WriteInt64LittleEndian(length, data.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(length.Length), MaskedCrc(length));
        data.CopyTo(record.AsSpan(length.Length + sizeof(uint)));
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(record.Length - sizeof(uint)), MaskedCrc(data));
        return record;
    }

    /// <summary>CRC-32C, masked as tensorflow/core/lib/hash/crc32c.h does, so that a CRC of data with CRCs stays sound.</summary>
    private static uint MaskedCrc(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        foreach (var value in data)
        {
            crc = BitOperations.Crc32C(crc, value);
        }

        return BitOperations.RotateRight(~crc, 15) + 0xA282EAD8;
    }
}
