using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace CnnCluster.Trainer.Storage;

/// <summary>Writes safetensors files; equal arguments give equal bytes.</summary>
public static class SafetensorsWriter
{
    // Names such as "conv1/kernel" stay readable; nobody embeds the header in HTML.
    private static readonly JsonWriterOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes the tensors in the order given, from the stream's current place on, without seeking.</summary>
    /// <param name="destination">Takes the bytes; stays open.</param>
    /// <param name="tensors">Each tensor with its elements, row-major and little-endian.</param>
    /// <param name="metadata">Texts for the header, which lists them in ordinal order, with <c>data_sha256</c> (over
    /// all data, in order) added, or put in the place of one that comes from an earlier file.</param>
    /// <exception cref="ArgumentException">Data and shape differ in size, or a name is taken.</exception>
    public static void Write(
        Stream destination,
        IReadOnlyList<(TensorEntry Entry, ReadOnlyMemory<byte> Data)> tensors,
        IReadOnlyDictionary<string, string> metadata)
    {
        Check(tensors);
        var texts = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in metadata)
        {
            texts[key] = value;
        }

        texts[Safetensors.DataHash] = Hash(tensors.Select(static t => t.Data));
        destination.Write(Header(tensors.Select(static t => t.Entry), texts));
        foreach (var (_, data) in tensors)
        {
            destination.Write(data.Span);
        }
    }

    private static void Check(IReadOnlyList<(TensorEntry Entry, ReadOnlyMemory<byte> Data)> tensors)
    {
        var names = new HashSet<string>(StringComparer.Ordinal) { Safetensors.Metadata };
        foreach (var (entry, data) in tensors)
        {
            if (!names.Add(entry.Name))
            {
                throw new ArgumentException($"the name {entry.Name} is taken", nameof(tensors));
            }

            if (data.Length != entry.ByteLength)
            {
                throw new ArgumentException(
                    $"{entry.Name} needs {entry.ByteLength} bytes for its shape, but has {data.Length}", nameof(tensors));
            }
        }
    }

    private static string Hash(IEnumerable<ReadOnlyMemory<byte>> data)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var part in data)
        {
            hash.AppendData(part.Span);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>The header with its length in front and spaces up to the alignment behind.</summary>
    private static byte[] Header(IEnumerable<TensorEntry> entries, IReadOnlyDictionary<string, string> texts)
    {
        var text = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(text, Json))
        {
            WriteObject(json, entries, texts);
        }

        var length = (text.WrittenCount + Safetensors.Alignment - 1) / Safetensors.Alignment * Safetensors.Alignment;
        var header = new byte[Safetensors.LengthBytes + length];
        BinaryPrimitives.WriteInt64LittleEndian(header, length);
        header.AsSpan(Safetensors.LengthBytes).Fill((byte)' ');
        text.WrittenSpan.CopyTo(header.AsSpan(Safetensors.LengthBytes));
        return header;
    }

    private static void WriteObject(Utf8JsonWriter json, IEnumerable<TensorEntry> entries, IReadOnlyDictionary<string, string> texts)
    {
        json.WriteStartObject();
        json.WriteStartObject(Safetensors.Metadata);
        foreach (var (key, value) in texts)
        {
            json.WriteString(key, value);
        }

        json.WriteEndObject();
        var offset = 0L;
        foreach (var entry in entries)
        {
            WriteEntry(json, entry, offset);
            offset += entry.ByteLength;
        }

        json.WriteEndObject();
    }

    private static void WriteEntry(Utf8JsonWriter json, TensorEntry entry, long offset)
    {
        json.WriteStartObject(entry.Name);
        json.WriteString("dtype", Safetensors.NameOf(entry.Type));
        WriteNumbers(json, "shape", entry.Shape);
        WriteNumbers(json, "data_offsets", [offset, offset + entry.ByteLength]);
        json.WriteEndObject();
    }

    private static void WriteNumbers(Utf8JsonWriter json, string name, IEnumerable<long> numbers)
    {
        json.WriteStartArray(name);
        foreach (var number in numbers)
        {
            json.WriteNumberValue(number);
        }

        json.WriteEndArray();
    }
}
