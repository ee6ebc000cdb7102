using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Native;

/// <summary>
/// A tensor whose elements may move into a file that other processes map, and back, while their addresses stay: views of it,
/// and whatever else knows where they lie, go on as before.
/// </summary>
/// <remarks>
/// It moves by mmap(2) with MAP_FIXED, over addresses that libtorch has mapped for it: Linux alone. While it moves nobody
/// else may use it.
/// </remarks>
public sealed unsafe class MovableMemory
{
    private const int Readable = 1;
    private const int Writable = 2;
    private const int Shared = 0x01;
    private const int Private = 0x02;
    private const int Fixed = 0x10;
    private const int Anonymous = 0x20;
    private static readonly Lazy<nint> Map = new(FindMap);
    private readonly Lock gate = new();
    private readonly byte* first;
    private bool isAway;
    private bool isClosed;

    private MovableMemory(Tensor tensor)
    {
        Tensor = tensor;
        Bytes = tensor.numel() * tensor.ElementSize;
        first = (byte*)TensorMemory.First(tensor);
    }

    /// <summary>One-dimensional.</summary>
    public Tensor Tensor { get; }

    public long Bytes { get; }

    /// <summary>Whether the elements lie in a file.</summary>
    internal bool IsAway
    {
        get
        {
            lock (gate) return isAway;
        }
    }

    /// <summary>Its first byte, at the beginning of a page.</summary>
    internal byte* First => first;

    /// <summary>Zeros on the CPU that can move; null where there is no such memory.</summary>
    /// <param name="length">Elements, at least one.</param>
    /// <param name="type">Theirs.</param>
    public static MovableMemory? TryCreate(long length, ScalarType type)
    {
        if (Map.Value == 0) return null;
        var path = Path.Combine(MemoryFolder.Path, $"cnn-{Guid.NewGuid():N}");
        try
        {
            using (var file = new FileStream(path, MemoryFolder.NewFile))
            {
                file.SetLength(checked(length * sizeof(double)));
            }

            // A file is libtorch's one way to memory of its own pages; nothing is written there.
            var memory = new MovableMemory(from_file(path, shared: false, size: length, dtype: type).DetachFromDisposeScope());
            return memory.TryMap(-1, 0, Private | Anonymous) ? memory : throw new InvalidOperationException("Memory could not be mapped anew.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>Moves the elements into a file in memory, from an offset at the beginning of a page on.</summary>
    /// <param name="file">Open for reading and writing, and long enough.</param>
    /// <param name="offset">Where they begin.</param>
    /// <param name="mapped">The file's bytes from there on, mapped elsewhere.</param>
    /// <returns>Whether they have moved.</returns>
    internal bool TryMoveTo(SafeFileHandle file, long offset, byte* mapped)
    {
        lock (gate)
        {
            if (isClosed || isAway) return false;
            Buffer.MemoryCopy(first, mapped, Bytes, Bytes);
            isAway = TryMap((int)file.DangerousGetHandle(), offset, Shared);
            return isAway;
        }
    }

    /// <summary>Moves the elements back into memory of this process alone.</summary>
    /// <param name="mapped">Where they are mapped besides.</param>
    internal void MoveBack(byte* mapped)
    {
        lock (gate)
        {
            if (isClosed || !isAway) return;
            if (!TryMap(-1, 0, Private | Anonymous)) throw new InvalidOperationException($"{Bytes} bytes could not be mapped anew.");
            Buffer.MemoryCopy(mapped, first, Bytes, Bytes);
            isAway = false;
        }
    }

    /// <summary>Says that the tensor is about to be disposed of: its addresses may soon be another's.</summary>
    public void Close()
    {
        lock (gate)
        {
            isClosed = true;
        }
    }

    private bool TryMap(int file, long offset, int flags)
    {
        var map = (delegate* unmanaged<void*, nuint, int, int, int, long, void*>)Map.Value;
        return map(first, (nuint)Bytes, Readable | Writable, flags | Fixed, file, offset) == first;
    }

    private static nint FindMap() =>
        OperatingSystem.IsLinux() && Environment.Is64BitProcess
        && NativeLibrary.TryLoad("libc.so.6", out var library) && NativeLibrary.TryGetExport(library, "mmap", out var address)
            ? address
            : 0;
}
