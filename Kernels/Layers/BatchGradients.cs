namespace CnnCluster.Kernels.Layers;

/// <summary>
/// What a batch normalisation's backward pass makes of the sums over each channel, of ∂L/∂z and of ∂L/∂z·(x − μ): C of the one,
/// then C of the other.
/// </summary>
internal static unsafe class BatchGradients
{
    /// <summary>Makes Σ∂L/∂z·(x − μ) of the sum over x less the rounded mean.</summary>
    public static void Centre(in ChannelTable table, double* sums)
    {
        for (var c = 0; c < table.Channels; c++)
        {
            sums[table.Channels + c] -= table.Rest[c] * sums[c];
        }
    }

    /// <summary>Adds the weights' gradients, of the samples that the sums are of.</summary>
    /// <param name="table">The forward pass' numbers.</param>
    /// <param name="sums">Centred.</param>
    /// <param name="scale">C numbers, added to; or null.</param>
    /// <param name="shift">C numbers, added to; or null.</param>
    public static void AddWeights(in ChannelTable table, double* sums, float* scale, float* shift)
    {
        for (var c = 0; c < table.Channels; c++)
        {
            if (scale is not null) scale[c] += (float)(sums[table.Channels + c] * table.Scatter[c]);
            if (shift is not null) shift[c] += (float)sums[c];
        }
    }

    /// <summary>
    /// Slope and offset of each channel. Where the statistics are the batch's, every element has a part in them:
    /// ∂L/∂x = factor·(∂L/∂z − Σ∂L/∂z/n − (x − μ)/(σ² + ε)·Σ(∂L/∂z·(x − μ))/n).
    /// </summary>
    /// <param name="table">The forward pass' numbers; slope and offset are written.</param>
    /// <param name="sums">Centred, over the whole batch.</param>
    /// <param name="count">n; null where the statistics were given.</param>
    public static void Share(in ChannelTable table, double* sums, double? count)
    {
        for (var c = 0; c < table.Channels; c++)
        {
            var share = count is { } n ? table.Factor[c] / n : 0;
            var slope = share * sums[table.Channels + c] * table.Scatter[c] * table.Scatter[c];
            table.Slope[c] = (float)slope;
            table.Offset[c] = (float)((share * sums[c]) - (slope * table.Rest[c]));
        }
    }
}
