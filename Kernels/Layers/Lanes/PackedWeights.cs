namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>A convolution's weights in the order in which a tile takes them.</summary>
internal static unsafe class PackedWeights
{
    /// <summary>Weights as <see cref="CorrelationTile"/> reads them: [rows / 6][taps][6], zeros in place of missing rows.</summary>
    /// <param name="weights">Of each row, stretches of neighbouring taps.</param>
    /// <param name="rows">How many rows.</param>
    /// <param name="rowPitch">Floats from a row's first tap to the next's.</param>
    /// <param name="stretches">Stretches of a row.</param>
    /// <param name="stretchPitch">Floats from one to the next.</param>
    /// <param name="length">Taps of one.</param>
    /// <param name="packed">Is written.</param>
    public static void Write(float* weights, int rows, int rowPitch, int stretches, int stretchPitch, int length, float* packed)
    {
        for (var row = 0; row < rows; row++)
        {
            var to = packed + ((long)row / Tile.Rows * Tile.Rows * stretches * length) + (row % Tile.Rows);
            for (var stretch = 0; stretch < stretches; stretch++)
            {
                var from = weights + ((long)row * rowPitch) + ((long)stretch * stretchPitch);
                for (var tap = 0; tap < length; tap++, to += Tile.Rows)
                {
                    *to = from[tap];
                }
            }
        }
    }
}
