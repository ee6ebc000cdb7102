using System.IO.Compression;

namespace CnnCluster.Trainer.Data;

/// <summary>The bytes of a data file, unpacked on the way if they are gzip (RFC 1952), which the first two bytes tell.</summary>
internal sealed class IdxContent : IDisposable
{
    // A gzip file does not say how much it holds, so memory grows with what was really unpacked.
    private const int FirstChunk = 1 << 20;
    private readonly FileStream file;
    private readonly Stream stream;
    private readonly bool packed;
    private long position;

    private IdxContent(string path, FileStream file)
    {
        Path = path;
        this.file = file;
        packed = file.ReadByte() == 0x1f && file.ReadByte() == 0x8b;
        file.Position = 0;
        stream = packed ? new GZipStream(file, CompressionMode.Decompress) : file;
    }

    public string Path { get; }

    /// <exception cref="DataFileException">The file is missing, empty or not readable.</exception>
    public static IdxContent Open(string path)
    {
        var content = new IdxContent(path, OpenFile(path));
        if (content.file.Length > 0) return content;
        content.Dispose();
        throw new DataFileException(path, "the file is empty");
    }

    /// <summary>Fills the buffer as far as the content goes; returns how many bytes there were.</summary>
    /// <exception cref="DataFileException">The gzip content is corrupt, or the disk fails.</exception>
    public int Read(Span<byte> buffer)
    {
        try
        {
            var read = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            position += read;

            // A gzip file cut off before its first block unpacks to nothing, and no error comes from the library.
            return packed && position == 0 && buffer.Length > 0
                ? throw new DataFileException(Path, "the gzip file is truncated: nothing can be unpacked from it")
                : read;
        }
        catch (InvalidDataException e)
        {
            throw new DataFileException(Path, $"the gzip content is corrupt: {e.Message}", position, inner: e);
        }
        catch (IOException e)
        {
            throw new DataFileException(Path, $"reading failed: {e.Message}", position, inner: e);
        }
    }

    /// <summary>Reads the next <paramref name="length"/> bytes; a shorter array where the content ends early.</summary>
    public byte[] ReadUpTo(int length)
    {
        var expected = packed ? Math.Min(length, FirstChunk) : (int)Math.Min(length, file.Length - position);
        var bytes = new byte[expected];
        var filled = Read(bytes);
        while (filled == bytes.Length && filled < length && packed)
        {
            Array.Resize(ref bytes, (int)Math.Min(length, 2L * filled));
            filled += Read(bytes.AsSpan(filled));
        }

        Array.Resize(ref bytes, filled);
        return bytes;
    }

    /// <summary>Whether anything follows what was read.</summary>
    public bool HasMore()
    {
        Span<byte> one = stackalloc byte[1];
        return Read(one) > 0;
    }

    public void Dispose()
    {
        stream.Dispose();
        file.Dispose();
    }

    private static FileStream OpenFile(string path)
    {
        if (Directory.Exists(path)) throw new DataFileException(path, "this is a folder, not a file");
        try
        {
            return File.OpenRead(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new DataFileException(path, "there is no such file", inner: e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataFileException(path, $"the file cannot be opened: {e.Message}", inner: e);
        }
    }
}
