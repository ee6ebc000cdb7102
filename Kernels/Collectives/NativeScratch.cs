using System.Runtime.InteropServices;

namespace CnnCluster.Kernels.Collectives;

/// <summary>Native memory that grows as needed and is kept from one use to the next.</summary>
internal sealed unsafe class NativeScratch : IDisposable
{
    /// <summary>A vector's alignment.</summary>
    private const int Alignment = 64;

    private void* memory;
    private int size;

    /// <summary>Memory of at least so many bytes; what it held before is lost.</summary>
    public nint Take(int bytes)
    {
        if (bytes > size)
        {
            NativeMemory.AlignedFree(memory);
            memory = NativeMemory.AlignedAlloc((nuint)bytes, Alignment);
            size = bytes;
        }

        return (nint)memory;
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(memory);
        memory = null;
        size = 0;
    }
}
