using CnnCluster.Kernels.Layers.Lanes;

namespace CnnCluster.Kernels.Layers.Winograd;

/// <summary>A 3×3 convolution whose results are computed two by two.</summary>
/// <param name="Channels">C, a multiple of 16.</param>
/// <param name="Filters">K, a multiple of 16.</param>
/// <param name="Input">The input's sides.</param>
/// <param name="Output">The output's, even.</param>
/// <param name="Before">Zeros above and to the left of the input.</param>
internal sealed record WinogradShape(int Channels, int Filters, Axes Input, Axes Output, Axes Before)
{
    /// <summary>Products of a tile, for each channel and filter.</summary>
    public const int Products = 16;

    /// <summary>Tiles of a sample.</summary>
    public int Tiles => Output.Height / 2 * (Output.Width / 2);

    /// <summary>The convolution that gives the input's gradient from the output's.</summary>
    public WinogradShape Turned => new(Filters, Channels, Output, Input, new Axes(2 - Before.Height, 2 - Before.Width));

    /// <summary>How many tiles of filters there are.</summary>
    public int FilterTiles => Tile.Cover(Filters / LaneLayout.Samples, Tile.Columns);

    /// <summary>Vectors of filters in front of a tile of them; of one behind the last, all.</summary>
    public int FirstColumn(int tile) => Tile.Begin(tile, FilterTiles, Filters / LaneLayout.Samples);

    /// <summary>Where in a kernel [rows][columns] of which each tile of columns lies together an element is.</summary>
    public nint PlaceInColumns(int channel, int filter)
    {
        var vector = filter / LaneLayout.Samples;
        var tile = 0;
        while (FirstColumn(tile + 1) <= vector) tile++;
        var (first, end) = (FirstColumn(tile), FirstColumn(tile + 1));
        return (((nint)first * Channels) + ((nint)channel * (end - first)) + (vector - first)) * LaneLayout.Samples;
    }
}
