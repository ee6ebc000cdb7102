namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>A number for the rows and one for the columns.</summary>
public readonly record struct Axes(int Height, int Width);

/// <summary>A two-dimensional convolution's window.</summary>
/// <param name="Kernel">Its sides.</param>
/// <param name="Stride">At least 1.</param>
/// <param name="Dilation">At least 1.</param>
/// <param name="Before">Zeros above and to the left of the input.</param>
/// <param name="After">Zeros below and to the right.</param>
public sealed record ConvolutionGeometry(Axes Kernel, Axes Stride, Axes Dilation, Axes Before, Axes After)
{
    /// <summary>⌊(n + a + b − (k − 1)·d − 1) / s⌋ + 1.</summary>
    public Axes OutputOf(Axes input) => new(
        ((input.Height + Before.Height + After.Height - ((Kernel.Height - 1) * Dilation.Height) - 1) / Stride.Height) + 1,
        ((input.Width + Before.Width + After.Width - ((Kernel.Width - 1) * Dilation.Width) - 1) / Stride.Width) + 1);

    internal Halo Halo => new(Before.Height, Before.Width, After.Height, After.Width);

    internal int Area => Kernel.Height * Kernel.Width;
}
