using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>Where a tile's results go, and what is done to them on the way.</summary>
internal unsafe ref struct TileTarget
{
    /// <summary>Added to the rows' sums, one a row; null for none.</summary>
    public float* Biases { get; init; }

    /// <summary>Whether max(0, x) follows.</summary>
    public bool Relu { get; init; }

    /// <summary>The first row's results.</summary>
    public float* Output { get; init; }

    /// <summary>Floats from a row's results to the next's.</summary>
    public nint OutputPitch { get; init; }

    /// <summary>Where in a row's results the tile's lie.</summary>
    public int* Places { get; set; }

    /// <summary>The pixels that won in the first row; null where nothing is pooled.</summary>
    public float* Winners { get; set; }

    /// <summary>Floats from a row's winners to the next's.</summary>
    public nint WinnersPitch { get; init; }

    /// <summary>The same for rows from some row on, and lanes from some lane on.</summary>
    public readonly TileTarget From(int row, int lane) => this with
    {
        Biases = Biases is null ? null : Biases + row,
        Output = Output + (row * OutputPitch) + lane,
        Winners = Winners + (row * WinnersPitch) + lane,
    };

    /// <summary>Goes on to a later tile.</summary>
    /// <param name="tiles">How many tiles later.</param>
    /// <param name="places">Places of a tile.</param>
    public void Skip(int tiles, int places)
    {
        Places += tiles * places;
        Winners += tiles * LaneLayout.Samples;
    }
}

/// <summary>What becomes of a row of a tile while it is in registers.</summary>
internal interface ITileEnding
{
    /// <summary>Places of a tile in a row's results.</summary>
    static abstract int Places { get; }

    static abstract void Put<T>(T v0, T v1, T v2, T v3, in TileTarget target, int row)
        where T : unmanaged, ILanes<T>;
}

/// <summary>Each of the four has a place of its own.</summary>
internal readonly unsafe struct Placed : ITileEnding
{
    public static int Places => Tile.Columns;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Put<T>(T v0, T v1, T v2, T v3, in TileTarget target, int row)
        where T : unmanaged, ILanes<T>
    {
        if (target.Biases is not null)
        {
            var bias = T.Create(target.Biases[row]);
            (v0, v1, v2, v3) = (T.Add(v0, bias), T.Add(v1, bias), T.Add(v2, bias), T.Add(v3, bias));
        }

        if (target.Relu) (v0, v1, v2, v3) = (Pointwise.Relu(v0), Pointwise.Relu(v1), Pointwise.Relu(v2), Pointwise.Relu(v3));
        var to = target.Output + (row * target.OutputPitch);
        var places = target.Places;
        T.Store(v0, to + places[0]);
        T.Store(v1, to + places[1]);
        T.Store(v2, to + places[2]);
        T.Store(v3, to + places[3]);
    }
}

/// <summary>The four are a window of 2×2, of which the greatest is left.</summary>
internal readonly unsafe struct Pooled : ITileEnding
{
    public static int Places => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Put<T>(T v0, T v1, T v2, T v3, in TileTarget target, int row)
        where T : unmanaged, ILanes<T>
    {
        if (target.Biases is not null)
        {
            var bias = T.Create(target.Biases[row]);
            (v0, v1, v2, v3) = (T.Add(v0, bias), T.Add(v1, bias), T.Add(v2, bias), T.Add(v3, bias));
        }

        var to = target.Output + (row * target.OutputPitch) + *target.Places;
        Pointwise.Pool(v0, v1, v2, v3, target.Relu, to, target.Winners + (row * target.WinnersPitch));
    }
}
