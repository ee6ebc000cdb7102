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
        Axes InputAt(Axes at) => new((at.Height * stride.Height) - before.Height, (at.Width * stride.Width) - before.Width);
        int GradientAt(Axes at) => gradient.OffsetOf(at.Height * stride.Height, at.Width * stride.Width);
        var inputs = outputs.Select(InputAt).ToList();
        Inputs = new OffsetTable([.. inputs.Select(at => input.OffsetOf(at.Height, at.Width))]);
        Gradients = new OffsetTable([.. outputs.Select(GradientAt)]);
        Taps = new OffsetTable([.. TapsOf(geometry, input)]);
        Forward = new PositionTiles(
            input,
            input.Channels,
            new WindowSide(geometry.Kernel.Height, geometry.Dilation.Height, input.Height, 1),
            new WindowSide(geometry.Kernel.Width, geometry.Dilation.Width, input.Width, 1),
            PositionTiles.Filled(inputs));

        var pixels = BackwardOrder(input, stride);
        Backward = new PositionTiles(
            gradient,
            filters,
            new WindowSide(geometry.Kernel.Height, -geometry.Dilation.Height, gradient.Height, stride.Height),
            new WindowSide(geometry.Kernel.Width, -geometry.Dilation.Width, gradient.Width, stride.Width),
            [.. pixels.Select(at => new Axes(before.Height + at.Height, before.Width + at.Width))]);
        BackwardPlaces = new OffsetTable([.. pixels.Select(at => ((at.Height * input.Width) + at.Width) * LaneLayout.Samples)]);
    }

    /// <summary>Of each output, the input under its window's first tap.</summary>
    public OffsetTable Inputs { get; }

    /// <summary>Of each output, its spread-out gradient.</summary>
    public OffsetTable Gradients { get; }

    /// <summary>From a window's first tap to each, channel by channel.</summary>
    public OffsetTable Taps { get; }

    /// <summary>The outputs, as windows over the input.</summary>
    public PositionTiles Forward { get; }

    /// <summary>The input's pixels, as windows over the spread-out gradient.</summary>
    public PositionTiles Backward { get; }

    /// <summary>Where the gradients of the backward tiles' pixels lie in their channel, four a tile.</summary>
    public OffsetTable BackwardPlaces { get; }

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

    /// <summary>
    /// The output's gradient as its own convolution reads it backward: strides apart, and with as many zeros around it as
    /// the input's outermost pixels look beyond it.
    /// </summary>
    public static LaneLayout SpreadLayout(ConvolutionGeometry geometry, LaneLayout input, Axes sums, int filters)
    {
        var (height, before, after) = Side(geometry.Kernel.Height, geometry.Dilation.Height, geometry.Stride.Height, geometry.Before.Height, input.Height, sums.Height);
        var (width, left, right) = Side(geometry.Kernel.Width, geometry.Dilation.Width, geometry.Stride.Width, geometry.Before.Width, input.Width, sums.Width);
        return new LaneLayout(filters, height, width, new Halo(before, left, after, right));

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
        Forward.Dispose();
        Backward.Dispose();
        BackwardPlaces.Dispose();
    }

    /// <summary>Offsets of a kernel's elements over all channels.</summary>
    private static IEnumerable<int> TapsOf(ConvolutionGeometry geometry, LaneLayout input) =>
        from channel in Enumerable.Range(0, input.Channels)
        from tap in Rows(geometry.Kernel.Height, geometry.Kernel.Width)
        let y = tap.Height * geometry.Dilation.Height * input.RowPitch
        let x = tap.Width * geometry.Dilation.Width * LaneLayout.Samples
        select (channel * input.ChannelPitch) + y + x;

    /// <summary>
    /// The input's pixels, four of a tile after another. Those that lie alike in the strides' grid stand together, because
    /// the same taps see an output from them, and of those neighbours, because fewer taps see one at the edge. A tile that
    /// is not full has its last pixel several times.
    /// </summary>
    private static List<Axes> BackwardOrder(LaneLayout input, Axes stride)
    {
        var order = new List<Axes>();
        foreach (var phase in Rows(stride.Height, stride.Width))
        {
            var (height, width) = (Tile.Cover(input.Height - phase.Height, stride.Height), Tile.Cover(input.Width - phase.Width, stride.Width));
            var rest = Rows(height, width).Where(at => at.Height >= height / 2 * 2 || at.Width >= width / 2 * 2);
            var pixels = Windows(height, width).Concat(rest).Select(at => new Axes((at.Height * stride.Height) + phase.Height, (at.Width * stride.Width) + phase.Width));
            order.AddRange(PositionTiles.Filled([.. pixels]));
        }

        return order;
    }
}
