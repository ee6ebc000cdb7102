using System.Numerics;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>How a window looks along one side of a value.</summary>
/// <param name="Kernel">Its elements.</param>
/// <param name="Step">From an element to the next, in pixels.</param>
/// <param name="Extent">The value's side.</param>
/// <param name="Every">The value's numbers are so many pixels apart, with zeros between them.</param>
internal readonly record struct WindowSide(int Kernel, int Step, int Extent, int Every)
{
    /// <summary>A bit for each element under which there is a number of the value, and no zero around it or in it.</summary>
    public BigInteger SeenFrom(int first)
    {
        var seen = BigInteger.Zero;
        for (var k = 0; k < Kernel; k++)
        {
            var at = first + (k * Step);
            if (at >= 0 && at < Extent && at % Every == 0) seen |= BigInteger.One << k;
        }

        return seen;
    }
}

/// <summary>
/// Positions of a window over a value, four a tile, and the taps of each tile: the kernel's elements under which one of
/// the four sees a number of the value. The others would multiply zeros alone.
/// </summary>
internal sealed unsafe class PositionTiles : IDisposable
{
    private readonly OffsetTable positions;
    private readonly OffsetTable offsets;
    private readonly OffsetTable elements;
    private readonly OffsetTable lists;
    private readonly int channels;
    private readonly int channelPitch;
    private readonly int area;

    /// <param name="value">What the window runs over.</param>
    /// <param name="channels">Those of the value that are summed over.</param>
    /// <param name="height">The window along the rows.</param>
    /// <param name="width">The window along the columns.</param>
    /// <param name="at">Where the window's first element lies, four of a tile after another: <see cref="Filled"/>.</param>
    public PositionTiles(LaneLayout value, int channels, WindowSide height, WindowSide width, IReadOnlyList<Axes> at)
    {
        (this.channels, channelPitch, area) = (channels, value.ChannelPitch, height.Kernel * width.Kernel);
        positions = new OffsetTable([.. at.Select(p => value.OffsetOf(p.Height, p.Width))]);
        var taps = new List<Axes>();
        var found = new Dictionary<(BigInteger, BigInteger), (int First, int Count)>();
        var each = new List<int>();
        foreach (var tile in at.Chunk(Tile.Columns))
        {
            var rows = tile.Aggregate(BigInteger.Zero, (seen, p) => seen | height.SeenFrom(p.Height));
            var columns = tile.Aggregate(BigInteger.Zero, (seen, p) => seen | width.SeenFrom(p.Width));
            if (!found.TryGetValue((rows, columns), out var list))
            {
                var first = taps.Count;
                taps.AddRange(ConvolutionTables.Rows(height.Kernel, width.Kernel).Where(k => !(rows >> k.Height).IsEven && !(columns >> k.Width).IsEven));
                found.Add((rows, columns), list = (first, taps.Count - first));
            }

            each.AddRange([list.First, list.Count]);
        }

        offsets = new OffsetTable([.. taps.Select(k => (k.Height * height.Step * value.RowPitch) + (k.Width * width.Step * LaneLayout.Samples))]);
        elements = new OffsetTable([.. taps.Select(k => (k.Height * width.Kernel) + k.Width)]);
        lists = new OffsetTable(each);
    }

    /// <summary>How many tiles.</summary>
    public int Count => lists.Count / 2;

    public Taps TapsOf(int tile)
    {
        var first = lists.Pointer[2 * tile];
        return new Taps(offsets.Pointer + first, elements.Pointer + first, lists.Pointer[(2 * tile) + 1], channels, channelPitch, area);
    }

    /// <summary>Where a tile's four positions lie in the value's first channel.</summary>
    public int* At(int tile) => positions.Pointer + (tile * Tile.Columns);

    /// <summary>So many that all tiles are full: the last of them several times.</summary>
    public static IReadOnlyList<TPosition> Filled<TPosition>(IReadOnlyList<TPosition> positions) =>
        [.. positions, .. Enumerable.Range(0, Tile.RoundUp(positions.Count, Tile.Columns) - positions.Count).Select(_ => positions[^1])];

    public void Dispose()
    {
        positions.Dispose();
        offsets.Dispose();
        elements.Dispose();
        lists.Dispose();
    }
}
