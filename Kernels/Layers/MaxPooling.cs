using System.Runtime.Intrinsics;

namespace CnnCluster.Kernels.Layers;

/// <summary>
/// Max-pooling of planes: the greatest element of each window and its place in the window, counted row by row. Of several
/// greatest the first wins, but of NaNs, which are greater than numbers here, the last: libtorch's rule.
/// </summary>
/// <remarks>A plane is D×H×W elements of one sample and channel, row by row.</remarks>
internal static unsafe class MaxPooling
{
    /// <summary>A window's place is a byte.</summary>
    public const int MostElements = byte.MaxValue;

    /// <param name="x">The planes.</param>
    /// <param name="y">The output's planes.</param>
    /// <param name="winners">For each element of the output the place of the greatest; null where nobody asks.</param>
    /// <param name="planes">How many there are.</param>
    /// <param name="window">The windows.</param>
    public static void Forward(float* x, float* y, byte* winners, long planes, in PoolWindow window)
    {
        if (window.IsHalving)
        {
            Halving.Forward(x, y, winners, planes, window);
        }
        else if (window.Width.Output > Lanes8.Count && Vector512.IsHardwareAccelerated)
        {
            Forward<Lanes16>(x, y, winners, planes, window);
        }
        else if (window.Width.Output > Lanes4.Count && Vector256.IsHardwareAccelerated)
        {
            Forward<Lanes8>(x, y, winners, planes, window);
        }
        else
        {
            Forward<Lanes4>(x, y, winners, planes, window);
        }
    }

    /// <summary>Gives each window's gradient to its greatest element.</summary>
    /// <param name="gradient">Of the output.</param>
    /// <param name="winners">What <see cref="Forward"/> wrote.</param>
    /// <param name="result">Of the input; overwritten.</param>
    /// <param name="planes">How many there are.</param>
    /// <param name="window">The windows.</param>
    public static void Backward(float* gradient, byte* winners, float* result, long planes, in PoolWindow window)
    {
        if (window.IsHalving)
        {
            Halving.Backward(gradient, winners, result, planes, window);
            return;
        }

        var places = stackalloc int[window.Elements];
        for (var place = 0; place < window.Elements; place++)
        {
            var (row, column) = (place / window.Width.Kernel, place % window.Width.Kernel);
            var line = (row / window.Height.Kernel * window.Height.Input) + (row % window.Height.Kernel);
            places[place] = (line * window.Width.Input) + column;
        }

        for (var plane = 0L; plane < planes; plane++)
        {
            new Span<float>(result, window.InputElements).Clear();
            Scatter(gradient, winners, result, places, window);
            gradient += window.OutputElements;
            winners += window.OutputElements;
            result += window.InputElements;
        }
    }

    /// <param name="gradient">Of a plane of the output.</param>
    /// <param name="winners">Of that plane.</param>
    /// <param name="result">A plane of the input, which is added to.</param>
    /// <param name="places">How far each place of a window lies behind the window's start.</param>
    /// <param name="window">The windows.</param>
    private static void Scatter(float* gradient, byte* winners, float* result, int* places, in PoolWindow window)
    {
        for (var depth = 0; depth < window.Depth.Output; depth++)
        {
            for (var row = 0; row < window.Height.Output; row++)
            {
                var line = (window.Depth.Start(depth) * window.Height.Input) + window.Height.Start(row);
                var start = (line * window.Width.Input) - window.Width.Before;
                for (var column = 0; column < window.Width.Output; column++, start += window.Width.Stride)
                {
                    result[start + places[*winners++]] += *gradient++;
                }
            }
        }
    }

    private static void Forward<TLanes>(float* x, float* y, byte* winners, long planes, in PoolWindow window)
        where TLanes : struct, IFloatLanes<TLanes>
    {
        using var padded = new PaddedPlane(window, TLanes.Count);
        for (var plane = 0L; plane < planes; plane++, x += window.InputElements)
        {
            padded.Take(x);
            for (var depth = 0; depth < window.Depth.Output; depth++)
            {
                for (var row = 0; row < window.Height.Output; row++)
                {
                    Row<TLanes>(padded, depth, row, y, winners, window);
                    y += window.Width.Output;
                    winners = winners is null ? null : winners + window.Width.Output;
                }
            }
        }
    }

    /// <summary>One row of the output; what does not fill the last lanes is put down aside first.</summary>
    private static void Row<TLanes>(in PaddedPlane x, int depth, int row, float* y, byte* winners, in PoolWindow window)
        where TLanes : struct, IFloatLanes<TLanes>
    {
        var (depths, rows, width) = (window.Depth.Inside(depth), window.Height.Inside(row), window.Width.Output);
        var aside = stackalloc float[TLanes.Count];
        var winnersAside = stackalloc byte[TLanes.Count];
        for (var column = 0; column < width; column += TLanes.Count)
        {
            var (greatest, winner) = Greatest<TLanes>(x, (depth, row, column), depths, rows, window);
            var rest = width - column;
            greatest.Store(rest < TLanes.Count ? aside : y + column);
            if (winners is not null) winner.StoreBytes(rest < TLanes.Count ? winnersAside : winners + column);
            if (rest < TLanes.Count)
            {
                new ReadOnlySpan<float>(aside, rest).CopyTo(new Span<float>(y + column, rest));
                if (winners is not null) new ReadOnlySpan<byte>(winnersAside, rest).CopyTo(new Span<byte>(winners + column, rest));
            }
        }
    }

    private static (TLanes Value, TLanes Winner) Greatest<TLanes>(
        in PaddedPlane x, (int Depth, int Row, int Column) at, (int First, int End) depths, (int First, int End) rows, in PoolWindow window)
        where TLanes : struct, IFloatLanes<TLanes>
    {
        var greatest = TLanes.Fill(float.NegativeInfinity);
        var winner = TLanes.AddBits(TLanes.FillBits(Place(depths.First, rows.First, window)), TLanes.LoadBytes(x.FirstInside + at.Column));
        for (var depth = depths.First; depth < depths.End; depth++)
        {
            for (var row = rows.First; row < rows.End; row++)
            {
                var place = Place(depth, row, window);
                var line = x.Line(window.Depth.Start(at.Depth) + depth, window.Height.Start(at.Row) + row) + at.Column;
                for (var k = 0; k < window.Width.Kernel; k++)
                {
                    var value = TLanes.Load(line + x.Columns[k]);
                    var wins = TLanes.GreaterOrNaN(value, greatest);
                    greatest = TLanes.Select(wins, value, greatest);
                    winner = TLanes.Select(wins, TLanes.FillBits(place + (uint)k), winner);
                }
            }
        }

        return (greatest, winner);
    }

    private static uint Place(int depth, int row, in PoolWindow window) =>
        (uint)(((depth * window.Height.Kernel) + row) * window.Width.Kernel);
}
