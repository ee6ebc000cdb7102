using System.Runtime.Intrinsics;

namespace CnnCluster.Kernels.Layers;

/// <summary>Max-pooling by 2×2 windows side by side, the common case: each element is read once and written once.</summary>
internal static unsafe class Halving
{
    /// <inheritdoc cref="MaxPooling.Forward"/>
    public static void Forward(float* x, float* y, byte* winners, long planes, in PoolWindow window)
    {
        var (height, width, columns) = (window.Height.Input, window.Width.Input, window.Width.Output);
        for (var plane = 0L; plane < planes; plane++, x += height * width)
        {
            for (var row = 0; row < window.Height.Output; row++, y += columns)
            {
                var line = x + (2 * row * width);
                var column = 0;
                if (Vector512.IsHardwareAccelerated) column = Row<Lanes16>(line, width, y, winners, column, columns);
                if (Vector256.IsHardwareAccelerated) column = Row<Lanes8>(line, width, y, winners, column, columns);
                column = Row<Lanes4>(line, width, y, winners, column, columns);
                // What is left over is computed once more with its neighbours, where there are enough.
                if (column < columns && columns >= Lanes4.Count) column = Row<Lanes4>(line, width, y, winners, columns - Lanes4.Count, columns);
                Row<Lanes1>(line, width, y, winners, column, columns);
                winners = winners is null ? null : winners + columns;
            }
        }
    }

    /// <inheritdoc cref="MaxPooling.Backward"/>
    public static void Backward(float* gradient, byte* winners, float* result, long planes, in PoolWindow window)
    {
        var (height, width, columns) = (window.Height.Input, window.Width.Input, window.Width.Output);
        for (var plane = 0L; plane < planes; plane++, result += height * width)
        {
            for (var row = 0; row < window.Height.Output; row++, gradient += columns, winners += columns)
            {
                var line = result + (2 * row * width);
                var column = 0;
                if (Vector512.IsHardwareAccelerated) column = Spread<Lanes16>(gradient, winners, line, width, column, columns);
                if (Vector256.IsHardwareAccelerated) column = Spread<Lanes8>(gradient, winners, line, width, column, columns);
                column = Spread<Lanes4>(gradient, winners, line, width, column, columns);
                if (column < columns && columns >= Lanes4.Count) column = Spread<Lanes4>(gradient, winners, line, width, columns - Lanes4.Count, columns);
                Spread<Lanes1>(gradient, winners, line, width, column, columns);
                if (width % 2 > 0) (line[width - 1], line[width + width - 1]) = (0, 0);
            }

            new Span<float>(result + ((height - (height % 2)) * width), height % 2 * width).Clear();
        }
    }

    private static int Row<TLanes>(float* x, int width, float* y, byte* winners, int column, int columns)
        where TLanes : struct, IFloatLanes<TLanes>
    {
        for (; column <= columns - TLanes.Count; column += TLanes.Count)
        {
            var (first, second) = TLanes.LoadInTurn(x + (2 * column));
            var (third, fourth) = TLanes.LoadInTurn(x + width + (2 * column));
            // Whatever comes first wins over nothing, −∞ too.
            var (greatest, winner) = (first, TLanes.FillBits(0));
            Challenge(second, 1, ref greatest, ref winner);
            Challenge(third, 2, ref greatest, ref winner);
            Challenge(fourth, 3, ref greatest, ref winner);
            greatest.Store(y + column);
            if (winners is not null) winner.StoreBytes(winners + column);
        }

        return column;
    }

    private static void Challenge<TLanes>(TLanes value, uint place, ref TLanes greatest, ref TLanes winner)
        where TLanes : struct, IFloatLanes<TLanes>
    {
        var wins = TLanes.GreaterOrNaN(value, greatest);
        greatest = TLanes.Select(wins, value, greatest);
        winner = TLanes.Select(wins, TLanes.FillBits(place), winner);
    }

    private static int Spread<TLanes>(float* gradient, byte* winners, float* result, int width, int column, int columns)
        where TLanes : struct, IFloatLanes<TLanes>
    {
        for (; column <= columns - TLanes.Count; column += TLanes.Count)
        {
            var given = TLanes.Load(gradient + column);
            var winner = TLanes.LoadBytes(winners + column);
            Share(given, winner, 0).StoreInTurn(Share(given, winner, 1), result + (2 * column));
            Share(given, winner, 2).StoreInTurn(Share(given, winner, 3), result + width + (2 * column));
        }

        return column;
    }

    private static TLanes Share<TLanes>(TLanes given, TLanes winner, uint place)
        where TLanes : struct, IFloatLanes<TLanes> =>
        TLanes.Select(TLanes.SameBits(winner, TLanes.FillBits(place)), given, TLanes.Fill(0));
}
