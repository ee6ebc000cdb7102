namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>Between samples that lie one after the other and blocks whose lanes they are.</summary>
internal static unsafe class LaneTransposition
{
    /// <summary>Samples (N, C, H, W) into a value's blocks; lanes without a sample get zeros, halos are left alone.</summary>
    public static void FromSamples(float* samples, long count, LaneLayout layout, float* blocks)
    {
        for (var first = 0L; first < count; first += LaneLayout.Samples)
        {
            var held = (int)Math.Min(LaneLayout.Samples, count - first);
            var block = blocks + (first / LaneLayout.Samples * layout.BlockSize);
            for (var channel = 0; channel < layout.Channels; channel++)
            {
                for (var y = 0; y < layout.Height; y++)
                {
                    var row = samples + (first * layout.Features) + ((((long)channel * layout.Height) + y) * layout.Width);
                    RowToLanes(row, layout.Features, held, layout.Width, block + ((long)channel * layout.ChannelPitch) + layout.OffsetOf(y, 0));
                }
            }
        }
    }

    /// <summary>A value's blocks into samples (N, C, H, W).</summary>
    public static void ToSamples(float* blocks, LaneLayout layout, long count, float* samples)
    {
        for (var sample = 0L; sample < count; sample++)
        {
            var lane = blocks + (sample / LaneLayout.Samples * layout.BlockSize) + (sample % LaneLayout.Samples);
            for (var channel = 0; channel < layout.Channels; channel++)
            {
                for (var y = 0; y < layout.Height; y++)
                {
                    var row = lane + ((long)channel * layout.ChannelPitch) + layout.OffsetOf(y, 0);
                    for (var x = 0; x < layout.Width; x++)
                    {
                        *samples++ = row[x * LaneLayout.Samples];
                    }
                }
            }
        }
    }

    /// <summary>Blocks [F][16] into rows of features, one a sample, <paramref name="pitch"/> floats apart.</summary>
    public static void ToRows(float* blocks, int count, int features, float* rows, int pitch)
    {
        for (var block = 0; block < count; block++)
        {
            var from = blocks + ((long)block * features * LaneLayout.Samples);
            var to = rows + ((long)block * LaneLayout.Samples * pitch);
            for (var feature = 0; feature < features; feature++)
            {
                for (var lane = 0; lane < LaneLayout.Samples; lane++)
                {
                    to[((long)lane * pitch) + feature] = from[(feature * LaneLayout.Samples) + lane];
                }
            }
        }
    }

    private static void RowToLanes(float* row, long pitch, int held, int width, float* lanes)
    {
        for (var x = 0; x < width; x++, lanes += LaneLayout.Samples)
        {
            for (var lane = 0; lane < held; lane++)
            {
                lanes[lane] = row[(lane * pitch) + x];
            }

            for (var lane = held; lane < LaneLayout.Samples; lane++)
            {
                lanes[lane] = 0;
            }
        }
    }
}
