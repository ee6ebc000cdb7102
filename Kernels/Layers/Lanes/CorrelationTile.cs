using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>The elements of a window that a tile sums over, in each of some channels.</summary>
/// <param name="offsets">From the window's first element to each, in floats.</param>
/// <param name="elements">Which elements of the kernel they are.</param>
/// <param name="count">How many.</param>
/// <param name="channels">C.</param>
/// <param name="channelPitch">Floats from a channel to the next.</param>
/// <param name="area">Elements of the kernel in a channel.</param>
internal readonly unsafe ref struct Taps(int* offsets, int* elements, int count, int channels, int channelPitch, int area)
{
    public readonly int* Offsets = offsets;
    public readonly int* Elements = elements;
    public readonly int Count = count;
    public readonly int Channels = channels;
    public readonly nint ChannelPitch = channelPitch;
    public readonly int Area = area;
}

/// <summary>
/// Cross-correlation, a tile at once: r[k][p] = Σ w[c][t][k]·x[c][pₚ + t], over channels c and taps t, for up to six output
/// channels k at four positions p. What becomes of the sums is done to them while they are in registers.
/// </summary>
internal static unsafe class CorrelationTile
{
    /// <param name="rows">Output channels.</param>
    /// <param name="weights">[C][area][rows].</param>
    /// <param name="taps">What is summed.</param>
    /// <param name="p0">The first channel at the first position.</param>
    /// <param name="p1">At the second position.</param>
    /// <param name="p2">At the third position.</param>
    /// <param name="p3">At the fourth position.</param>
    /// <param name="target">Where the results go.</param>
    public static void Run<T, TEnding>(int rows, float* weights, in Taps taps, float* p0, float* p1, float* p2, float* p3, in TileTarget target)
        where T : unmanaged, ILanes<T>
        where TEnding : ITileEnding
    {
        var atOnce = Tile.RowsAtOnce<T>(rows);
        for (var lane = 0; lane < LaneLayout.Samples; lane += T.Count)
        {
            for (var row = 0; row < rows; row += atOnce)
            {
                Part<T, TEnding>(
                    Math.Min(atOnce, rows - row), weights + row, rows, taps, p0 + lane, p1 + lane, p2 + lane, p3 + lane, target.From(row, lane));
            }
        }
    }

    private static void Part<T, TEnding>(
        int rows, float* w, nint pitch, in Taps taps, float* p0, float* p1, float* p2, float* p3, in TileTarget target)
        where T : unmanaged, ILanes<T>
        where TEnding : ITileEnding
    {
        switch (rows)
        {
            case 1:
                FewRows<T, One, TEnding>(w, pitch, taps, p0, p1, p2, p3, target);
                break;
            case 2:
                FewRows<T, Two, TEnding>(w, pitch, taps, p0, p1, p2, p3, target);
                break;
            case 3:
                FewRows<T, Three, TEnding>(w, pitch, taps, p0, p1, p2, p3, target);
                break;
            case 4:
                ManyRows<T, Four, TEnding>(w, pitch, taps, p0, p1, p2, p3, target);
                break;
            case 5:
                ManyRows<T, Five, TEnding>(w, pitch, taps, p0, p1, p2, p3, target);
                break;
            case 6:
                ManyRows<T, Six, TEnding>(w, pitch, taps, p0, p1, p2, p3, target);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(rows), rows, "No such tile.");
        }
    }

    /// <summary>Up to three rows: their weights stay in registers, and the positions take turns in one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FewRows<T, TRows, TEnding>(
        float* w, nint pitch, in Taps taps, float* p0, float* p1, float* p2, float* p3, in TileTarget target)
        where T : unmanaged, ILanes<T>
        where TRows : ITileSide
        where TEnding : ITileEnding
    {
        int* offsets = taps.Offsets, elements = taps.Elements;
        var count = taps.Count;
        T a0 = T.Zero, a1 = T.Zero, a2 = T.Zero, a3 = T.Zero;
        T b0 = T.Zero, b1 = T.Zero, b2 = T.Zero, b3 = T.Zero;
        T c0 = T.Zero, c1 = T.Zero, c2 = T.Zero, c3 = T.Zero;
        for (var channel = 0; channel < taps.Channels; channel++)
        {
            for (nint t = 0; t < count; t++)
            {
                nint offset = offsets[t];
                var weights = w + (elements[t] * pitch);
                T s0 = T.Create(weights[0]), s1 = TRows.Count > 1 ? T.Create(weights[1]) : T.Zero, s2 = TRows.Count > 2 ? T.Create(weights[2]) : T.Zero;
                var x = T.Load(p0 + offset);
                T.MultiplyAdd(s0, x, ref a0);
                if (TRows.Count > 1) T.MultiplyAdd(s1, x, ref b0);
                if (TRows.Count > 2) T.MultiplyAdd(s2, x, ref c0);
                x = T.Load(p1 + offset);
                T.MultiplyAdd(s0, x, ref a1);
                if (TRows.Count > 1) T.MultiplyAdd(s1, x, ref b1);
                if (TRows.Count > 2) T.MultiplyAdd(s2, x, ref c1);
                x = T.Load(p2 + offset);
                T.MultiplyAdd(s0, x, ref a2);
                if (TRows.Count > 1) T.MultiplyAdd(s1, x, ref b2);
                if (TRows.Count > 2) T.MultiplyAdd(s2, x, ref c2);
                x = T.Load(p3 + offset);
                T.MultiplyAdd(s0, x, ref a3);
                if (TRows.Count > 1) T.MultiplyAdd(s1, x, ref b3);
                if (TRows.Count > 2) T.MultiplyAdd(s2, x, ref c3);
            }

            w += taps.Area * pitch;
            p0 += taps.ChannelPitch;
            p1 += taps.ChannelPitch;
            p2 += taps.ChannelPitch;
            p3 += taps.ChannelPitch;
        }

        TEnding.Put(a0, a1, a2, a3, target, 0);
        if (TRows.Count > 1) TEnding.Put(b0, b1, b2, b3, target, 1);
        if (TRows.Count > 2) TEnding.Put(c0, c1, c2, c3, target, 2);
    }

    /// <summary>Four rows or more: the positions stay in registers, and the weights take turns in one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ManyRows<T, TRows, TEnding>(
        float* w, nint pitch, in Taps taps, float* p0, float* p1, float* p2, float* p3, in TileTarget target)
        where T : unmanaged, ILanes<T>
        where TRows : ITileSide
        where TEnding : ITileEnding
    {
        int* offsets = taps.Offsets, elements = taps.Elements;
        var count = taps.Count;
        T a0 = T.Zero, a1 = T.Zero, a2 = T.Zero, a3 = T.Zero;
        T b0 = T.Zero, b1 = T.Zero, b2 = T.Zero, b3 = T.Zero;
        T c0 = T.Zero, c1 = T.Zero, c2 = T.Zero, c3 = T.Zero;
        T d0 = T.Zero, d1 = T.Zero, d2 = T.Zero, d3 = T.Zero;
        T e0 = T.Zero, e1 = T.Zero, e2 = T.Zero, e3 = T.Zero;
        T f0 = T.Zero, f1 = T.Zero, f2 = T.Zero, f3 = T.Zero;
        for (var channel = 0; channel < taps.Channels; channel++)
        {
            for (nint t = 0; t < count; t++)
            {
                nint offset = offsets[t];
                var weights = w + (elements[t] * pitch);
                T x0 = T.Load(p0 + offset), x1 = T.Load(p1 + offset), x2 = T.Load(p2 + offset), x3 = T.Load(p3 + offset);
                var s = T.Create(weights[0]);
                T.MultiplyAdd(s, x0, ref a0);
                T.MultiplyAdd(s, x1, ref a1);
                T.MultiplyAdd(s, x2, ref a2);
                T.MultiplyAdd(s, x3, ref a3);
                s = T.Create(weights[1]);
                T.MultiplyAdd(s, x0, ref b0);
                T.MultiplyAdd(s, x1, ref b1);
                T.MultiplyAdd(s, x2, ref b2);
                T.MultiplyAdd(s, x3, ref b3);

                s = T.Create(weights[2]);
                T.MultiplyAdd(s, x0, ref c0);
                T.MultiplyAdd(s, x1, ref c1);
                T.MultiplyAdd(s, x2, ref c2);
                T.MultiplyAdd(s, x3, ref c3);

                s = T.Create(weights[3]);
                T.MultiplyAdd(s, x0, ref d0);
                T.MultiplyAdd(s, x1, ref d1);
                T.MultiplyAdd(s, x2, ref d2);
                T.MultiplyAdd(s, x3, ref d3);

                if (TRows.Count > 4)
                {
                    s = T.Create(weights[4]);
                    T.MultiplyAdd(s, x0, ref e0);
                    T.MultiplyAdd(s, x1, ref e1);
                    T.MultiplyAdd(s, x2, ref e2);
                    T.MultiplyAdd(s, x3, ref e3);
                }

                if (TRows.Count > 5)
                {
                    s = T.Create(weights[5]);
                    T.MultiplyAdd(s, x0, ref f0);
                    T.MultiplyAdd(s, x1, ref f1);
                    T.MultiplyAdd(s, x2, ref f2);
                    T.MultiplyAdd(s, x3, ref f3);
                }
            }

            w += taps.Area * pitch;
            p0 += taps.ChannelPitch;
            p1 += taps.ChannelPitch;
            p2 += taps.ChannelPitch;
            p3 += taps.ChannelPitch;
        }

        TEnding.Put(a0, a1, a2, a3, target, 0);
        TEnding.Put(b0, b1, b2, b3, target, 1);
        TEnding.Put(c0, c1, c2, c3, target, 2);
        TEnding.Put(d0, d1, d2, d3, target, 3);
        if (TRows.Count > 4) TEnding.Put(e0, e1, e2, e3, target, 4);
        if (TRows.Count > 5) TEnding.Put(f0, f1, f2, f3, target, 5);
    }
}
