namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>A convolution's weights in the order in which a tile takes them.</summary>
internal static unsafe class PackedWeights
{
    /// <summary>Weights as <see cref="CorrelationTile"/> reads them: [tiles][taps][the tile's rows].</summary>
    /// <param name="weights">Of each row, stretches of neighbouring taps.</param>
    /// <param name="rows">How many rows.</param>
    /// <param name="rowPitch">Floats from a row's first tap to the next's.</param>
    /// <param name="stretches">Stretches of a row.</param>
    /// <param name="stretchPitch">Floats from one to the next.</param>
    /// <param name="length">Taps of one.</param>
    /// <param name="packed">Is written: as many floats as there are weights.</param>
    public static void Write(float* weights, int rows, int rowPitch, int stretches, int stretchPitch, int length, float* packed)
    {
        var tiles = Tile.Cover(rows, Tile.Rows);
        for (var tile = 0; tile < tiles; tile++)
        {
            var (first, end) = (Tile.Begin(tile, tiles, rows), Tile.Begin(tile + 1, tiles, rows));
            for (var stretch = 0; stretch < stretches; stretch++)
            {
                var from = weights + ((long)first * rowPitch) + ((long)stretch * stretchPitch);
                for (var tap = 0; tap < length; tap++)
                {
                    for (var row = 0; row < end - first; row++)
                    {
                        *packed++ = from[((long)row * rowPitch) + tap];
                    }
                }
            }
        }
    }
}
