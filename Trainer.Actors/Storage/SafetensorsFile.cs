using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace CnnCluster.Trainer.Storage;

/// <summary>A safetensors file in memory, checked as a whole: header, sizes, length and, where it has one, its hash.</summary>
public sealed class SafetensorsFile
{
    private const int FirstPiece = 1 << 20;
    private readonly string source;
    private readonly Dictionary<string, (TensorEntry Entry, byte[] Data)> tensors;

    private SafetensorsFile(string source, SafetensorsHeader header, IEnumerable<byte[]> data)
    {
        this.source = source;
        Entries = header.Entries;
        Metadata = header.Metadata;
        tensors = header.Entries.Zip(data).ToDictionary(static pair => pair.First.Name, StringComparer.Ordinal);
    }

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<TensorEntry> Entries { get; }

    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Reads a file.</summary>
    /// <exception cref="StateFileException">The file is not there, cannot be read, or is damaged.</exception>
    public static SafetensorsFile Open(string path)
    {
        try
        {
            using var stream = File.OpenRead(path);
            return Parse(stream, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StateFileException($"{path} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Reads from a stream to its end; it need not be seekable.</summary>
    /// <param name="stream">The content; stays open.</param>
    /// <param name="source">What error messages call it.</param>
    /// <exception cref="StateFileException">The content is damaged.</exception>
    public static SafetensorsFile Parse(Stream stream, string source = "the state")
    {
        var header = SafetensorsHeader.Parse(ReadHeader(stream, source), source);
        CheckLength(stream, header, source);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var data = new List<byte[]>();
        foreach (var entry in header.Entries)
        {
            data.Add(ReadData(stream, entry.ByteLength, $"{source}: tensor {entry.Name}"));
            hash.AppendData(data[^1]);
        }

        if (stream.ReadByte() >= 0)
        {
            throw new StateFileException($"{source}: there are bytes behind the last tensor");
        }

        CheckHash(header, Convert.ToHexStringLower(hash.GetHashAndReset()), source);
        return new SafetensorsFile(source, header, data);
    }

    public bool Contains(string name) => tensors.ContainsKey(name);

    /// <summary>What the header says of a tensor.</summary>
    /// <exception cref="StateFileException">The file has none of that name.</exception>
    public TensorEntry Entry(string name) => Find(name).Entry;

    /// <summary>A tensor's bytes, row-major and little-endian; not a copy.</summary>
    /// <exception cref="StateFileException">The file has none of that name.</exception>
    public byte[] Read(string name) => Find(name).Data;

    /// <inheritdoc cref="Elements"/>
    public float[] ReadFloat32(string name) => Elements<float>(name, ElementType.Float32);

    /// <inheritdoc cref="Elements"/>
    public double[] ReadFloat64(string name) => Elements<double>(name, ElementType.Float64);

    /// <inheritdoc cref="Elements"/>
    public long[] ReadInt64(string name) => Elements<long>(name, ElementType.Int64);

    /// <summary>A tensor's elements, row-major.</summary>
    /// <exception cref="StateFileException">The file has none of that name, or its elements are of another type.</exception>
    private T[] Elements<T>(string name, ElementType type)
        where T : unmanaged
    {
        var (entry, data) = Find(name);
        return entry.Type == type
            ? MemoryMarshal.Cast<byte, T>(data).ToArray()
            : throw new StateFileException(
                $"{source}: tensor {name}: is {Safetensors.NameOf(entry.Type)}, where {Safetensors.NameOf(type)} is expected");
    }

    private (TensorEntry Entry, byte[] Data) Find(string name) =>
        tensors.TryGetValue(name, out var found) ? found : throw new StateFileException($"{source}: tensor {name}: is missing");

    private static byte[] ReadHeader(Stream stream, string source)
    {
        var length = BinaryPrimitives.ReadInt64LittleEndian(ReadData(stream, Safetensors.LengthBytes, $"{source}: the header's length"));
        if (length is < 2 or > Safetensors.LongestHeader)
        {
            throw new StateFileException(
                $"{source}: the header would be {length} bytes long, where 2 to {Safetensors.LongestHeader} are allowed: "
                + "this is no safetensors file");
        }

        return ReadData(stream, length, $"{source}: the header");
    }

    /// <summary>Where the length can be known beforehand, nothing is read, or allocated, for a header that lies.</summary>
    private static void CheckLength(Stream stream, SafetensorsHeader header, string source)
    {
        if (stream.CanSeek && stream.Length - stream.Position != header.DataBytes)
        {
            throw new StateFileException(
                $"{source}: the header describes {header.DataBytes} bytes of data, but {stream.Length - stream.Position} follow it");
        }
    }

    /// <summary>Reads so many bytes; memory grows with what arrives, not with what a header claims.</summary>
    private static byte[] ReadData(Stream stream, long length, string what)
    {
        if (length > Array.MaxLength)
        {
            throw new StateFileException($"{what}: {length} bytes are more than one array can hold");
        }

        var data = new byte[Math.Min(length, FirstPiece)];
        var read = stream.ReadAtLeast(data, data.Length, throwOnEndOfStream: false);
        while (read == data.Length && read < length)
        {
            Array.Resize(ref data, (int)Math.Min(length, 2L * read));
            read += stream.ReadAtLeast(data.AsSpan(read), data.Length - read, throwOnEndOfStream: false);
        }

        return read == length ? data : throw new StateFileException($"{what}: ends after {read} of {length} bytes");
    }

    private static void CheckHash(SafetensorsHeader header, string actual, string source)
    {
        if (header.Metadata.TryGetValue(Safetensors.DataHash, out var expected) && expected != actual)
        {
            throw new StateFileException(
                $"{source}: the file is damaged: {Safetensors.DataHash} is {expected}, but the data gives {actual}");
        }
    }
}
