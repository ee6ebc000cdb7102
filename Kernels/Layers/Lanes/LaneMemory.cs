using System.Runtime.InteropServices;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>Floats outside the garbage collector's heap, aligned to 64 bytes, zero at first.</summary>
internal sealed unsafe class LaneMemory : SafeHandle
{
    private const int Alignment = 64;

    // A kernel may read a vector that begins in front of the end.
    private const int Slack = 64;

    /// <param name="length">Floats, at least 0.</param>
    public LaneMemory(long length)
        : base(0, ownsHandle: true)
    {
        Length = length;
        var bytes = checked((nuint)(length + Slack) * sizeof(float));
        var memory = NativeMemory.AlignedAlloc(bytes, Alignment);
        NativeMemory.Clear(memory, bytes);
        SetHandle((nint)memory);
        // A pass whose backward never comes leaves its memory to the garbage collector, which should know the size.
        GC.AddMemoryPressure((long)bytes);
    }

    public long Length { get; }

    public override bool IsInvalid => handle == 0;

    public float* Pointer => (float*)handle;

    /// <summary>Memory of at least this length: the old one, or a new one in its place.</summary>
    public static LaneMemory AtLeast(LaneMemory? old, long length)
    {
        if (old is not null && old.Length >= length) return old;
        old?.Dispose();
        return new LaneMemory(length);
    }

    public void Clear(long length) => NativeMemory.Clear(Pointer, (nuint)length * sizeof(float));

    protected override bool ReleaseHandle()
    {
        NativeMemory.AlignedFree((void*)handle);
        GC.RemoveMemoryPressure((Length + Slack) * sizeof(float));
        return true;
    }
}

/// <summary>Whole numbers where kernels reach them without a bound check.</summary>
internal sealed unsafe class OffsetTable : SafeHandle
{
    public OffsetTable(IReadOnlyCollection<int> offsets)
        : base(0, ownsHandle: true)
    {
        Count = offsets.Count;
        SetHandle((nint)NativeMemory.Alloc((nuint)Math.Max(1, offsets.Count), sizeof(int)));
        foreach (var (i, offset) in offsets.Index())
        {
            Pointer[i] = offset;
        }
    }

    public int Count { get; }

    public override bool IsInvalid => handle == 0;

    public int* Pointer => (int*)handle;

    protected override bool ReleaseHandle()
    {
        NativeMemory.Free((void*)handle);
        return true;
    }
}
