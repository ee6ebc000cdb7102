using System.IO.MemoryMappedFiles;
using System.Security.Cryptography;
using CnnCluster.Kernels.Native;
using Microsoft.Win32.SafeHandles;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// Memory that processes of one host share: a file in memory, which only its user can open, whose name nobody can guess
/// and which is gone from the folder as soon as every rank has it. Its rank writes it; the others map it for reading.
/// </summary>
internal sealed unsafe class SharedSegment : IDisposable
{
    /// <summary>Bytes of the secret that names a segment and stands at its beginning.</summary>
    public const int NonceBytes = 16;

    private const string Prefix = "cnn-";
    private readonly MemoryMappedFile file;
    private readonly MemoryMappedViewAccessor view;
    private readonly string? path;
    private int disposed;

    private SharedSegment(string path, long size, MemoryMappedFileAccess access, FileStream stream, bool owns)
    {
        Size = size;
        Handle = stream.SafeFileHandle;
        file = MemoryMappedFile.CreateFromFile(stream, null, size, access, HandleInheritability.None, leaveOpen: false);
        view = file.CreateViewAccessor(0, size, access);
        byte* first = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref first);
        Memory = first + view.PointerOffset;
        this.path = owns ? path : null;
    }

    /// <summary>Its first byte, at the beginning of a page.</summary>
    public byte* Memory { get; }

    public long Size { get; }

    /// <summary>The file, which the segment closes.</summary>
    public SafeFileHandle Handle { get; }

    /// <summary>A new segment of zeros with a nonce at its beginning; null where files cannot be shared, or there is no room.</summary>
    /// <param name="size">Its bytes, which are reserved.</param>
    /// <param name="nonce">Receives the new nonce.</param>
    public static SharedSegment? TryCreate(long size, Span<byte> nonce)
    {
        RandomNumberGenerator.Fill(nonce);
        if (OperatingSystem.IsWindows()) return null;
        var path = PathOf(nonce);
        try
        {
            var options = MemoryFolder.NewFile;
            options.PreallocationSize = size;
            var stream = new FileStream(path, options);
            stream.SetLength(size);
            var segment = new SharedSegment(path, size, MemoryMappedFileAccess.ReadWrite, stream, owns: true);
            nonce.CopyTo(new Span<byte>(segment.Memory, NonceBytes));
            return segment;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            File.Delete(path);
            return null;
        }
    }

    /// <summary>Maps a peer's segment; null where it is not to be found here, as it is another host's.</summary>
    public static SharedSegment? TryOpen(long size, ReadOnlySpan<byte> nonce)
    {
        if (OperatingSystem.IsWindows()) return null;
        var path = PathOf(nonce);
        try
        {
            var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            if (stream.Length != size)
            {
                stream.Dispose();
                return null;
            }

            var segment = new SharedSegment(path, size, MemoryMappedFileAccess.Read, stream, owns: false);
            if (nonce.SequenceEqual(new ReadOnlySpan<byte>(segment.Memory, NonceBytes))) return segment;
            segment.Dispose();
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Takes the name away: whoever has mapped it keeps it, and no one else can.</summary>
    public void Unlink()
    {
        if (path is not null) File.Delete(path);
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 1) return;
        Unlink();
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        file.Dispose();
    }

    private static string PathOf(ReadOnlySpan<byte> nonce) => Path.Combine(MemoryFolder.Path, Prefix + Convert.ToHexStringLower(nonce));
}
