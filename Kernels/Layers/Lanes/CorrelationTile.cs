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
        if (T.Count == LaneLayout.Samples)
        {
            Whole<T, TEnding>(rows, weights, taps, p0, p1, p2, p3, target);
            return;
        }

        for (var lane = 0; lane < LaneLayout.Samples; lane += T.Count)
        {
            var part = target.FromLane(lane);
            if (T.ManyRegisters)
            {
                Whole<T, TEnding>(rows, weights, taps, p0 + lane, p1 + lane, p2 + lane, p3 + lane, part);
                continue;
            }

            for (var row = 0; row < rows; row += 2)
            {
                if (row + 1 < rows) Sums<T, Two, TEnding>(weights + row, rows, taps, p0 + lane, p1 + lane, p2 + lane, p3 + lane, part.FromRow(row));
                else Sums<T, One, TEnding>(weights + row, rows, taps, p0 + lane, p1 + lane, p2 + lane, p3 + lane, part.FromRow(row));
            }
        }
    }

    private static void Whole<T, TEnding>(int rows, float* w, in Taps taps, float* p0, float* p1, float* p2, float* p3, in TileTarget target)
        where T : unmanaged, ILanes<T>
        where TEnding : ITileEnding
    {
        switch (rows)
        {
            case 1:
                Sums<T, One, TEnding>(w, rows, taps, p0, p1, p2, p3, target);
                break;
            case 2:
                Sums<T, Two, TEnding>(w, rows, taps, p0, p1, p2, p3, target);
                break;
            case 3:
                Sums<T, Three, TEnding>(w, rows, taps, p0, p1, p2, p3, target);
                break;
            case 4:
                Sums<T, Four, TEnding>(w, rows, taps, p0, p1, p2, p3, target);
                break;
            case 5:
                Sums<T, Five, TEnding>(w, rows, taps, p0, p1, p2, p3, target);
                break;
            case 6:
                Sums<T, Six, TEnding>(w, rows, taps, p0, p1, p2, p3, target);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(rows), rows, "No such tile.");
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Sums<T, TRows, TEnding>(
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
                a0 = T.MultiplyAdd(s, x0, a0);
                a1 = T.MultiplyAdd(s, x1, a1);
                a2 = T.MultiplyAdd(s, x2, a2);
                a3 = T.MultiplyAdd(s, x3, a3);
                if (TRows.Count > 1)
                {
                    s = T.Create(weights[1]);
                    b0 = T.MultiplyAdd(s, x0, b0);
                    b1 = T.MultiplyAdd(s, x1, b1);
                    b2 = T.MultiplyAdd(s, x2, b2);
                    b3 = T.MultiplyAdd(s, x3, b3);
                }

                if (TRows.Count > 2)
                {
                    s = T.Create(weights[2]);
                    c0 = T.MultiplyAdd(s, x0, c0);
                    c1 = T.MultiplyAdd(s, x1, c1);
                    c2 = T.MultiplyAdd(s, x2, c2);
                    c3 = T.MultiplyAdd(s, x3, c3);
                }

                if (TRows.Count > 3)
                {
                    s = T.Create(weights[3]);
                    d0 = T.MultiplyAdd(s, x0, d0);
                    d1 = T.MultiplyAdd(s, x1, d1);
                    d2 = T.MultiplyAdd(s, x2, d2);
                    d3 = T.MultiplyAdd(s, x3, d3);
                }

                if (TRows.Count > 4)
                {
                    s = T.Create(weights[4]);
                    e0 = T.MultiplyAdd(s, x0, e0);
                    e1 = T.MultiplyAdd(s, x1, e1);
                    e2 = T.MultiplyAdd(s, x2, e2);
                    e3 = T.MultiplyAdd(s, x3, e3);
                }

                if (TRows.Count > 5)
                {
                    s = T.Create(weights[5]);
                    f0 = T.MultiplyAdd(s, x0, f0);
                    f1 = T.MultiplyAdd(s, x1, f1);
                    f2 = T.MultiplyAdd(s, x2, f2);
                    f3 = T.MultiplyAdd(s, x3, f3);
                }
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
        if (TRows.Count > 3) TEnding.Put(d0, d1, d2, d3, target, 3);
        if (TRows.Count > 4) TEnding.Put(e0, e1, e2, e3, target, 4);
        if (TRows.Count > 5) TEnding.Put(f0, f1, f2, f3, target, 5);
    }
}
