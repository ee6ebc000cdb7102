namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>Where a convolution's numbers lie: offsets, in floats, that its kernels run along.</summary>
internal sealed class ConvolutionTables : IDisposable
{
    /// <param name="geometry">The window.</param>
    /// <param name="input">The input's layout, with a halo of at least the padding.</param>
    /// <param name="gradient">The layout that the output's gradient is spread out in: strides apart, with a halo.</param>
    /// <param name="filters">O.</param>
    /// <param name="outputs">Output pixels in the order in which they are computed.</param>
    public ConvolutionTables(
        ConvolutionGeometry geometry, LaneLayout input, LaneLayout gradient, int filters, IReadOnlyList<Axes> outputs)
    {
        var (stride, before) = (geometry.Stride, geometry.Before);
        int InputAt(Axes at) => input.OffsetOf((at.Height * stride.Height) - before.Height, (at.Width * stride.Width) - before.Width);
        Inputs = new OffsetTable([.. outputs.Select(InputAt)]);
        Gradients = new OffsetTable([.. outputs.Select(at => gradient.OffsetOf(at.Height * stride.Height, at.Width * stride.Width))]);
        Taps = new OffsetTable([.. TapsOf(geometry, input, input.Channels, 1)]);

        var pixels = Rows(input.Height, input.Width).ToList();
        int GradientAt(Axes at) => gradient.OffsetOf(before.Height + at.Height, before.Width + at.Width);
        BackwardPositions = new OffsetTable([.. pixels.Select(GradientAt)]);
        BackwardTaps = new OffsetTable([.. TapsOf(geometry, gradient, filters, -1)]);
    }

    /// <summary>Of each output, the input under its window's first tap.</summary>
    public OffsetTable Inputs { get; }

    /// <summary>Of each output, its spread-out gradient.</summary>
    public OffsetTable Gradients { get; }

    /// <summary>From a window's first tap to each, channel by channel.</summary>
    public OffsetTable Taps { get; }

    /// <summary>Of each input pixel, the gradient of the output whose first tap it is under.</summary>
    public OffsetTable BackwardPositions { get; }

    /// <summary>From there to the gradients of all outputs whose windows the pixel is in, filter by filter.</summary>
    public OffsetTable BackwardTaps { get; }

    /// <summary>Pixels row by row.</summary>
    public static IEnumerable<Axes> Rows(int height, int width) =>
        from y in Enumerable.Range(0, height)
        from x in Enumerable.Range(0, width)
        select new Axes(y, x);

    /// <summary>Pixels in windows of 2×2, window after window; what is left over at odd sides is left out.</summary>
    public static IEnumerable<Axes> Windows(int height, int width) =>
        from window in Rows(height / 2, width / 2)
        from pixel in Rows(2, 2)
        select new Axes((2 * window.Height) + pixel.Height, (2 * window.Width) + pixel.Width);

    /// <summary>Offsets of a kernel's elements over some channels, forward or backward.</summary>
    public static IEnumerable<int> TapsOf(ConvolutionGeometry geometry, LaneLayout layout, int channels, int direction) =>
        from channel in Enumerable.Range(0, channels)
        from tap in Rows(geometry.Kernel.Height, geometry.Kernel.Width)
        let y = tap.Height * geometry.Dilation.Height * layout.RowPitch
        let x = tap.Width * geometry.Dilation.Width * LaneLayout.Samples
        select (channel * layout.ChannelPitch) + (direction * (y + x));

    /// <summary>
    /// The output's gradient as its own convolution reads it backward: strides apart, and with as many zeros around it as
    /// the input's outermost pixels look beyond it.
    /// </summary>
    public static LaneLayout SpreadLayout(ConvolutionGeometry geometry, LaneLayout input, Axes sums, int filters)
    {
        var (height, before, after) = Side(geometry.Kernel.Height, geometry.Dilation.Height, geometry.Stride.Height, geometry.Before.Height, input.Height, sums.Height);
        var (width, left, right) = Side(geometry.Kernel.Width, geometry.Dilation.Width, geometry.Stride.Width, geometry.Before.Width, input.Width, sums.Width);
        return new LaneLayout(Tile.RoundUp(filters, Tile.Rows), height, width, new Halo(before, left, after, right));

        static (int Side, int Before, int After) Side(int kernel, int dilation, int stride, int padding, int input, int output)
        {
            var side = ((output - 1) * stride) + 1;
            return (side, Math.Max(0, ((kernel - 1) * dilation) - padding), Math.Max(0, padding + input - side));
        }
    }

    public void Dispose()
    {
        Inputs.Dispose();
        Gradients.Dispose();
        Taps.Dispose();
        BackwardPositions.Dispose();
        BackwardTaps.Dispose();
    }
}
