using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>Between samples that lie one after the other and blocks whose lanes they are.</summary>
internal static unsafe class LaneTransposition
{
    /// <summary>Samples (N, C, H, W) into a value's blocks; lanes without a sample get zeros, halos are left alone.</summary>
    public static void FromSamples(float* samples, long count, LaneLayout layout, float* blocks)
    {
        var rows = RowsOf(layout);
        for (var first = 0L; first < count; first += LaneLayout.Samples)
        {
            var held = (int)Math.Min(LaneLayout.Samples, count - first);
            var block = blocks + (first / LaneLayout.Samples * layout.BlockSize);
            for (var row = 0; row < rows.Count; row++)
            {
                var from = samples + (first * layout.Features) + ((long)row * rows.Length);
                RowToLanes(from, layout.Features, held, rows.Length, block + PlaceOf(layout, rows, row));
            }
        }
    }

    /// <summary>A value's blocks into samples (N, C, H, W).</summary>
    public static void ToSamples(float* blocks, LaneLayout layout, long count, float* samples)
    {
        var rows = RowsOf(layout);
        for (var first = 0L; first < count; first += LaneLayout.Samples)
        {
            var held = (int)Math.Min(LaneLayout.Samples, count - first);
            var block = blocks + (first / LaneLayout.Samples * layout.BlockSize);
            for (var row = 0; row < rows.Count; row++)
            {
                var to = samples + (first * layout.Features) + ((long)row * rows.Length);
                LanesToRow(block + PlaceOf(layout, rows, row), held, rows.Length, to, layout.Features);
            }
        }
    }

    /// <summary>Blocks [F][16] into rows of features, one a sample, <paramref name="pitch"/> floats apart.</summary>
    public static void ToRows(float* blocks, int count, int features, float* rows, int pitch)
    {
        for (var block = 0; block < count; block++)
        {
            var from = blocks + ((long)block * features * LaneLayout.Samples);
            LanesToRow(from, LaneLayout.Samples, features, rows + ((long)block * LaneLayout.Samples * pitch), pitch);
        }
    }

    /// <summary>Pixels that lie one behind the other on both sides: rows, or all of them where there is no halo.</summary>
    private static (int Count, int Length) RowsOf(LaneLayout layout) =>
        layout.Halo == default ? (1, layout.Features) : (layout.Channels * layout.Height, layout.Width);

    private static long PlaceOf(LaneLayout layout, (int Count, int Length) rows, int row) =>
        layout.Halo == default ? 0 : ((long)(row / layout.Height) * layout.ChannelPitch) + layout.OffsetOf(row % layout.Height, 0);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RowToLanes(float* row, long pitch, int held, int width, float* lanes)
    {
        const int side = SquareTransposition.Side;
        var x = 0;
        for (; held == LaneLayout.Samples && x <= width - side; x += side)
        {
            for (var lane = 0; lane < LaneLayout.Samples; lane += side)
            {
                SquareTransposition.Run(row + (lane * pitch) + x, (nint)pitch, lanes + (x * LaneLayout.Samples) + lane, LaneLayout.Samples);
            }
        }

        for (; x < width; x++)
        {
            for (var lane = 0; lane < LaneLayout.Samples; lane++)
            {
                lanes[(x * LaneLayout.Samples) + lane] = lane < held ? row[(lane * pitch) + x] : 0;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void LanesToRow(float* lanes, int held, int width, float* row, long pitch)
    {
        const int side = SquareTransposition.Side;
        var x = 0;
        for (; held == LaneLayout.Samples && x <= width - side; x += side)
        {
            for (var lane = 0; lane < LaneLayout.Samples; lane += side)
            {
                SquareTransposition.Run(lanes + (x * LaneLayout.Samples) + lane, LaneLayout.Samples, row + (lane * pitch) + x, (nint)pitch);
            }
        }

        for (; x < width; x++)
        {
            for (var lane = 0; lane < held; lane++)
            {
                row[(lane * pitch) + x] = lanes[(x * LaneLayout.Samples) + lane];
            }
        }
    }
}
