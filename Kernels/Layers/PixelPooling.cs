using System.Runtime.Intrinsics;

namespace CnnCluster.Kernels.Layers;

/// <summary>
/// Max-pooling of images whose channels lie side by side, one pixel behind the other: as <see cref="MaxPooling"/>, for
/// neighbouring channels at once. The depth is 1.
/// </summary>
internal static unsafe class PixelPooling
{
    /// <param name="x">The images.</param>
    /// <param name="y">The output.</param>
    /// <param name="winners">For each element of the output the place of the greatest; null where nobody asks.</param>
    /// <param name="samples">How many images there are.</param>
    /// <param name="channels">C.</param>
    /// <param name="window">The windows.</param>
    public static void Forward(float* x, float* y, byte* winners, int samples, int channels, in PoolWindow window)
    {
        for (var sample = 0; sample < samples; sample++, x += (long)window.InputElements * channels)
        {
            for (var row = 0; row < window.Height.Output; row++)
            {
                for (var column = 0; column < window.Width.Output; column++)
                {
                    var seen = new Seen(row, column, channels, window);
                    var c = 0;
                    if (Vector512.IsHardwareAccelerated) c = Greatest<Lanes16>(seen, x, y, winners, c);
                    if (Vector256.IsHardwareAccelerated) c = Greatest<Lanes8>(seen, x, y, winners, c);
                    c = Greatest<Lanes4>(seen, x, y, winners, c);
                    Greatest<Lanes1>(seen, x, y, winners, c);
                    y += channels;
                    winners = winners is null ? null : winners + channels;
                }
            }
        }
    }

    /// <summary>Gives each window's gradient to its greatest element.</summary>
    /// <param name="gradient">Of the output.</param>
    /// <param name="winners">What <see cref="Forward"/> wrote.</param>
    /// <param name="result">Of the input; overwritten.</param>
    /// <param name="samples">How many images there are.</param>
    /// <param name="channels">C.</param>
    /// <param name="window">The windows.</param>
    public static void Backward(float* gradient, byte* winners, float* result, int samples, int channels, in PoolWindow window)
    {
        for (var sample = 0; sample < samples; sample++, result += (long)window.InputElements * channels)
        {
            new Span<float>(result, window.InputElements * channels).Clear();
            for (var row = 0; row < window.Height.Output; row++)
            {
                for (var column = 0; column < window.Width.Output; column++)
                {
                    var seen = new Seen(row, column, channels, window);
                    var c = 0;
                    if (Vector512.IsHardwareAccelerated) c = Scatter<Lanes16>(seen, gradient, winners, result, c);
                    if (Vector256.IsHardwareAccelerated) c = Scatter<Lanes8>(seen, gradient, winners, result, c);
                    c = Scatter<Lanes4>(seen, gradient, winners, result, c);
                    Scatter<Lanes1>(seen, gradient, winners, result, c);
                    gradient += channels;
                    winners += channels;
                }
            }
        }
    }

    private static int Greatest<TLanes>(in Seen seen, float* x, float* y, byte* winners, int channel)
        where TLanes : struct, IFloatLanes<TLanes>
    {
        for (; channel <= seen.Channels - TLanes.Count; channel += TLanes.Count)
        {
            var greatest = TLanes.Fill(float.NegativeInfinity);
            var winner = TLanes.FillBits(seen.Place(seen.Rows.First, seen.Columns.First));
            for (var row = seen.Rows.First; row < seen.Rows.End; row++)
            {
                for (var column = seen.Columns.First; column < seen.Columns.End; column++)
                {
                    var value = TLanes.Load(x + seen.Element(row, column) + channel);
                    var wins = TLanes.GreaterOrNaN(value, greatest);
                    greatest = TLanes.Select(wins, value, greatest);
                    winner = TLanes.Select(wins, TLanes.FillBits(seen.Place(row, column)), winner);
                }
            }

            greatest.Store(y + channel);
            if (winners is not null) winner.StoreBytes(winners + channel);
        }

        return channel;
    }

    private static int Scatter<TLanes>(in Seen seen, float* gradient, byte* winners, float* result, int channel)
        where TLanes : struct, IFloatLanes<TLanes>
    {
        for (; channel <= seen.Channels - TLanes.Count; channel += TLanes.Count)
        {
            var given = TLanes.Load(gradient + channel);
            var winner = TLanes.LoadBytes(winners + channel);
            for (var row = seen.Rows.First; row < seen.Rows.End; row++)
            {
                for (var column = seen.Columns.First; column < seen.Columns.End; column++)
                {
                    var destination = result + seen.Element(row, column) + channel;
                    var wins = TLanes.SameBits(winner, TLanes.FillBits(seen.Place(row, column)));
                    TLanes.Select(wins, TLanes.Load(destination) + given, TLanes.Load(destination)).Store(destination);
                }
            }
        }

        return channel;
    }

    /// <summary>What one window sees of its image.</summary>
    private readonly struct Seen(int row, int column, int channels, in PoolWindow window)
    {
        private readonly int kernel = window.Width.Kernel;
        private readonly int width = window.Width.Input;
        private readonly int start = (window.Height.Start(row) * window.Width.Input) + window.Width.Start(column);

        public int Channels { get; } = channels;

        public (int First, int End) Rows { get; } = window.Height.Inside(row);

        public (int First, int End) Columns { get; } = window.Width.Inside(column);

        public uint Place(int row, int column) => (uint)((row * kernel) + column);

        /// <summary>Where the channels of one of the window's pixels begin.</summary>
        public long Element(int row, int column) => (long)(start + (row * width) + column) * Channels;
    }
}
