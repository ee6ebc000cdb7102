namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>The sizes of the register tiles: what a kernel computes at once, in registers alone.</summary>
/// <remarks>
/// Six by four accumulators, four loaded vectors and a spread number fill 29 of 32 registers, and take ten loads for 24
/// multiply-adds: fewer than the two loads and two multiply-adds a cycle that today's cores manage. Machines with 16
/// registers compute the same tile in parts of up to three rows: twelve accumulators, a number of each row, and one vector.
/// Sides that six or four do not divide are cut into tiles as equal as can be,
/// so that nothing is computed in vain.
/// </remarks>
internal static class Tile
{
    /// <summary>Rows of a tile: output channels, mostly.</summary>
    public const int Rows = 6;

    /// <summary>Rows of a tile that 16 registers hold.</summary>
    public const int FewRows = 3;

    /// <summary>Columns of a tile: positions, taps or vectors.</summary>
    public const int Columns = 4;

    /// <summary>Rows of a tile of one column.</summary>
    public const int Tall = 24;

    /// <summary>Floats of a tile's result, 16 lanes an element, row by row.</summary>
    public const int Size = Rows * Columns * LaneLayout.Samples;

    /// <summary>Of a tile's rows, those that the registers hold at once: all, or a half at most.</summary>
    public static int RowsAtOnce<T>(int rows)
        where T : unmanaged, ILanes<T> => T.ManyRegisters || rows <= FewRows ? rows : (rows + 1) / 2;

    /// <summary>Tiles that cover so many.</summary>
    public static int Cover(int count, int size) => (count + size - 1) / size;

    /// <summary>The next multiple of the size.</summary>
    public static int RoundUp(int count, int size) => Cover(count, size) * size;

    /// <summary>Where a tile begins if so many are cut into tiles as equal as can be; of one behind the last, where they end.</summary>
    public static int Begin(int tile, int tiles, int count) => tile * count / tiles;
}

/// <summary>How many rows or columns a tile has, as a type: code for each number has no others' registers.</summary>
internal interface ITileSide
{
    static abstract int Count { get; }
}

internal readonly struct One : ITileSide
{
    public static int Count => 1;
}

internal readonly struct Two : ITileSide
{
    public static int Count => 2;
}

internal readonly struct Three : ITileSide
{
    public static int Count => 3;
}

internal readonly struct Four : ITileSide
{
    public static int Count => 4;
}

internal readonly struct Five : ITileSide
{
    public static int Count => 5;
}

internal readonly struct Six : ITileSide
{
    public static int Count => 6;
}
