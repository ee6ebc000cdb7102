namespace CnnCluster.Kernels.Layers;

/// <summary>How windows lie along one side of an image.</summary>
/// <param name="Input">Elements of the input; at least 1.</param>
/// <param name="Output">How many windows there are.</param>
/// <param name="Kernel">Elements of a window.</param>
/// <param name="Stride">How far one window begins behind the other.</param>
/// <param name="Before">How far the first window begins in front of the input; less than <paramref name="Kernel"/>.</param>
public readonly record struct PoolAxis(int Input, int Output, int Kernel, int Stride, int Before)
{
    /// <summary>A side of length 1 that every window sees: what an image has for depth.</summary>
    public static PoolAxis Single { get; } = new(1, 1, 1, 1, 0);

    /// <summary>Where in the input a window begins; in front of it, less than 0.</summary>
    internal int Start(int window) => (window * Stride) - Before;

    /// <summary>The elements of a window that lie in the input.</summary>
    internal (int First, int End) Inside(int window) => (Math.Max(0, -Start(window)), Math.Min(Kernel, Input - Start(window)));
}

/// <summary>The windows of a pooling layer, each of which sees at least one element of the input.</summary>
public readonly record struct PoolWindow(PoolAxis Depth, PoolAxis Height, PoolAxis Width)
{
    internal int Elements => Depth.Kernel * Height.Kernel * Width.Kernel;

    internal int InputElements => Depth.Input * Height.Input * Width.Input;

    internal int OutputElements => Depth.Output * Height.Output * Width.Output;

    /// <summary>2×2 windows side by side, and at most a row and a column left over.</summary>
    internal bool IsHalving =>
        Depth == PoolAxis.Single && Halves(Height) && Halves(Width);

    /// <summary>(N, C, sides…) of the output, with as many sides as the input has.</summary>
    internal long[] OutputShape(ReadOnlySpan<long> input)
    {
        ReadOnlySpan<long> sides = [Depth.Output, Height.Output, Width.Output];
        return [.. input[..2], .. sides[(5 - input.Length)..]];
    }

    private static bool Halves(PoolAxis axis) =>
        axis is { Kernel: 2, Stride: 2, Before: 0 } && axis.Output == axis.Input / 2;
}
