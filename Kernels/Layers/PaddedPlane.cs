using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace CnnCluster.Kernels.Layers;

/// <summary>
/// A plane with its padding, which never wins: rows of −∞ up to the end of the last lanes. The elements that the windows'
/// first, second, … columns are in stand together, so that neighbouring windows are neighbours at any stride: of stride s,
/// element i of a padded row is in its part i mod s, at place ⌊i/s⌋.
/// </summary>
internal readonly unsafe ref struct PaddedPlane
{
    private readonly PoolAxis width;
    private readonly int height;
    private readonly int lines;
    private readonly int part;
    private readonly float* memory;

    /// <param name="window">The windows that it is for.</param>
    /// <param name="lanes">How many windows are looked at together.</param>
    public PaddedPlane(in PoolWindow window, int lanes)
    {
        width = window.Width;
        height = window.Height.Input;
        lines = window.Depth.Input * height;
        var windows = (width.Output + lanes - 1) / lanes * lanes;
        part = windows + Math.Max(width.Kernel / width.Stride, (width.Input + width.Before) / width.Stride - windows) + 1;
        var elements = (nuint)lines * (nuint)(part * width.Stride);
        memory = (float*)NativeMemory.Alloc((elements * sizeof(float)) + ((nuint)width.Kernel * sizeof(int)) + (nuint)windows);
        new Span<float>(memory, checked((int)elements)).Fill(float.NegativeInfinity);
        Columns = (int*)(memory + elements);
        FirstInside = (byte*)(Columns + width.Kernel);
        for (var k = 0; k < width.Kernel; k++)
        {
            Columns[k] = Place(k);
        }

        for (var i = 0; i < windows; i++)
        {
            FirstInside[i] = (byte)Math.Max(0, -width.Start(i));
        }
    }

    /// <summary>For each column of a window how far from its <see cref="Line"/> the elements stand.</summary>
    public int* Columns { get; }

    /// <summary>For each window its first column that is no padding.</summary>
    public byte* FirstInside { get; }

    /// <summary>Where the first columns of a row's windows are.</summary>
    public float* Line(int depth, int row) => memory + (((long)(depth * height) + row) * part * width.Stride);

    /// <summary>Copies a plane in between the padding.</summary>
    public void Take(float* plane)
    {
        for (var line = 0; line < lines; line++, plane += width.Input)
        {
            var destination = memory + ((long)line * part * width.Stride);
            if (width.Stride == 1)
            {
                new ReadOnlySpan<float>(plane, width.Input).CopyTo(new Span<float>(destination + width.Before, width.Input));
            }
            else
            {
                Deal(plane, destination);
            }
        }
    }

    public void Dispose() => NativeMemory.Free(memory);

    private void Deal(float* source, float* destination)
    {
        var i = 0;
        if (width.Stride == 2)
        {
            var even = destination + Place(width.Before);
            var odd = destination + Place(width.Before + 1);
            if (Vector512.IsHardwareAccelerated) i = DealInTurn<Lanes16>(source, even, odd, i);
            if (Vector256.IsHardwareAccelerated) i = DealInTurn<Lanes8>(source, even, odd, i);
            i = DealInTurn<Lanes4>(source, even, odd, i);
        }

        for (; i < width.Input; i++)
        {
            destination[Place(width.Before + i)] = source[i];
        }
    }

    private int DealInTurn<TLanes>(float* source, float* even, float* odd, int i)
        where TLanes : struct, IFloatLanes<TLanes>
    {
        for (; i <= width.Input - (2 * TLanes.Count); i += 2 * TLanes.Count)
        {
            var (first, second) = TLanes.LoadInTurn(source + i);
            first.Store(even + (i / 2));
            second.Store(odd + (i / 2));
        }

        return i;
    }

    private int Place(int element) => (element % width.Stride * part) + (element / width.Stride);
}
