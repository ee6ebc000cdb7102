namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>
/// A kernel's rows over a value, tile by tile: a convolution's sums, whose rows are filters, and its input's gradient, whose
/// rows are input channels.
/// </summary>
internal sealed unsafe class Correlation : IDisposable
{
    private readonly PositionTiles positions;
    private readonly int rows;
    private readonly int taps;
    private readonly LaneMemory packed;

    /// <param name="positions">Where, and over what.</param>
    /// <param name="rows">Of the kernel.</param>
    /// <param name="taps">Of a row.</param>
    public Correlation(PositionTiles positions, int rows, int taps)
    {
        (this.positions, this.rows, this.taps) = (positions, rows, taps);
        packed = new LaneMemory((long)rows * taps);
    }

    /// <summary>Tiles of four positions.</summary>
    public int PositionTiles => positions.Count;

    /// <summary>Tiles of up to six rows.</summary>
    public int RowTiles => Tile.Cover(rows, Tile.Rows);

    /// <summary>Takes the weights as they are now.</summary>
    /// <param name="weights">Of each row, stretches of neighbouring taps.</param>
    /// <param name="rowPitch">Floats from a row to the next.</param>
    /// <param name="stretches">Stretches of a row.</param>
    /// <param name="stretchPitch">Floats from one to the next.</param>
    public void Pack(float* weights, int rowPitch, int stretches, int stretchPitch) =>
        PackedWeights.Write(weights, rows, rowPitch, stretches, stretchPitch, taps / stretches, packed.Pointer);

    /// <summary>The sums of a tile's rows at the positions of some tiles.</summary>
    /// <param name="value">A block of it.</param>
    /// <param name="rowTile">Which rows.</param>
    /// <param name="first">The first tile of positions.</param>
    /// <param name="end">Behind the last.</param>
    /// <param name="target">Where the results of all rows and all tiles go.</param>
    public void Run<T, TEnding>(float* value, int rowTile, int first, int end, TileTarget target)
        where T : unmanaged, ILanes<T>
        where TEnding : ITileEnding
    {
        var row = Tile.Begin(rowTile, RowTiles, rows);
        var count = Tile.Begin(rowTile + 1, RowTiles, rows) - row;
        var weights = packed.Pointer + ((long)row * taps);
        var part = target.From(row, lane: 0);
        part.Skip(first, TEnding.Places);
        for (var tile = first; tile < end; tile++)
        {
            var at = positions.At(tile);
            CorrelationTile.Run<T, TEnding>(
                count, weights, positions.TapsOf(tile), value + at[0], value + at[1], value + at[2], value + at[3], part);
            part.Skip(1, TEnding.Places);
        }
    }

    public void Dispose() => packed.Dispose();
}
