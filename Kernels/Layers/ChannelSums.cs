using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace CnnCluster.Kernels.Layers;

/// <summary>What an element adds to its channel's two sums: a term, and a product.</summary>
internal interface IChannelTerms
{
    static abstract (TLanes Term, TLanes Left, TLanes Right) Of<TLanes>(TLanes x, TLanes other, in ChannelNumbers<TLanes> channel)
        where TLanes : struct, IFloatLanes<TLanes>;
}

/// <summary>
/// Two sums over each channel, in doubles: of float32 elements products are exact there, and a sum of millions is right to
/// far more digits than an element has. Their order is fixed by the shape and the width of the machine's vectors.
/// </summary>
internal static unsafe class ChannelSums
{
    // Sums taken in turn: an addition need not wait for the one before.
    private const int Turns = 4;
    private const int MostLanes = 16;

    /// <param name="order">How both operands lie.</param>
    /// <param name="x">The first operand.</param>
    /// <param name="other">The second.</param>
    /// <param name="table">The channels' numbers.</param>
    /// <param name="sums">C sums of the terms, then C of the products; overwritten.</param>
    public static void Run<TTerms>(ChannelOrder order, float* x, float* other, in ChannelTable table, double* sums)
        where TTerms : IChannelTerms
    {
        if (order.Inner == 1)
        {
            Rows<TTerms>(order, x, other, table, sums);
        }
        else if (order.HasSmallPlanes)
        {
            SmallPlanes<TTerms>(order, x, other, table, sums);
        }
        else
        {
            Planes<TTerms>(order, x, other, table, sums);
        }
    }

    private static void SmallPlanes<TTerms>(ChannelOrder order, float* x, float* other, in ChannelTable table, double* sums)
        where TTerms : IChannelTerms
    {
        var rows = order.AsRows;
        var partial = (double*)NativeMemory.Alloc((nuint)rows.Channels, (2 * sizeof(double)) + (ChannelTable.Rows * sizeof(float)));
        Rows<TTerms>(rows, x, other, table.Repeated((float*)(partial + (2 * rows.Channels)), order.Inner), partial);
        for (var i = 0; i < 2 * order.Channels; i++)
        {
            sums[i] = 0;
            for (var k = 0; k < order.Inner; k++)
            {
                sums[i] += partial[(i * order.Inner) + k];
            }
        }

        NativeMemory.Free(partial);
    }

    private static void Rows<TTerms>(ChannelOrder order, float* x, float* other, in ChannelTable table, double* sums)
        where TTerms : IChannelTerms
    {
        var partial = (double*)NativeMemory.AllocZeroed((nuint)order.Channels, 2 * Turns * sizeof(double));
        var channel = 0;
        if (Vector512.IsHardwareAccelerated) channel = Rows<TTerms, Lanes16>(order, channel, x, other, table, partial);
        if (Vector256.IsHardwareAccelerated) channel = Rows<TTerms, Lanes8>(order, channel, x, other, table, partial);
        channel = Rows<TTerms, Lanes4>(order, channel, x, other, table, partial);
        Rows<TTerms, Lanes1>(order, channel, x, other, table, partial);
        for (var i = 0; i < 2 * order.Channels; i++)
        {
            sums[i] = 0;
            for (var turn = 0; turn < Turns; turn++)
            {
                sums[i] += partial[(turn * 2 * order.Channels) + i];
            }
        }

        NativeMemory.Free(partial);
    }

    /// <summary>As many of the channels from this one on as make whole lanes, of all rows.</summary>
    private static int Rows<TTerms, TLanes>(ChannelOrder order, int channel, float* x, float* other, in ChannelTable table, double* partial)
        where TTerms : IChannelTerms
        where TLanes : struct, IFloatLanes<TLanes>
    {
        var end = channel + ((order.Channels - channel) / TLanes.Count * TLanes.Count);
        for (var row = 0; row < order.Outer && channel < end; row++)
        {
            var start = (long)row * order.Channels;
            var sums = partial + (row % Turns * 2 * order.Channels);
            for (var c = channel; c < end; c += TLanes.Count)
            {
                var (term, left, right) = TTerms.Of(TLanes.Load(x + start + c), TLanes.Load(other + start + c), table.Each<TLanes>(c));
                term.AddTo(sums + c);
                left.AddProductTo(right, sums + order.Channels + c);
            }
        }

        return end;
    }

    private static void Planes<TTerms>(ChannelOrder order, float* x, float* other, in ChannelTable table, double* sums)
        where TTerms : IChannelTerms
    {
        const int Length = 2 * Turns * MostLanes;
        var partial = stackalloc double[Length];
        for (var channel = 0; channel < order.Channels; channel++)
        {
            new Span<double>(partial, Length).Clear();
            for (var outer = 0; outer < order.Outer; outer++)
            {
                var start = (((long)outer * order.Channels) + channel) * order.Inner;
                Plane<TTerms>(order.Inner, x + start, other + start, channel, table, partial);
            }

            var (terms, products) = (0.0, 0.0);
            for (var i = 0; i < Length / 2; i++)
            {
                terms += partial[i];
                products += partial[(Length / 2) + i];
            }

            (sums[channel], sums[order.Channels + channel]) = (terms, products);
        }
    }

    private static void Plane<TTerms>(int end, float* x, float* other, int channel, in ChannelTable table, double* partial)
        where TTerms : IChannelTerms
    {
        var i = 0;
        if (Vector512.IsHardwareAccelerated && end - i >= Lanes16.Count) i = Plane<TTerms, Lanes16>(i, end, x, other, table.Same<Lanes16>(channel), partial);
        if (Vector256.IsHardwareAccelerated && end - i >= Lanes8.Count) i = Plane<TTerms, Lanes8>(i, end, x, other, table.Same<Lanes8>(channel), partial);
        if (end - i >= Lanes4.Count) i = Plane<TTerms, Lanes4>(i, end, x, other, table.Same<Lanes4>(channel), partial);
        if (i < end) Plane<TTerms, Lanes1>(i, end, x, other, table.Same<Lanes1>(channel), partial);
    }

    private static int Plane<TTerms, TLanes>(int i, int end, float* x, float* other, in ChannelNumbers<TLanes> channel, double* partial)
        where TTerms : IChannelTerms
        where TLanes : struct, IFloatLanes<TLanes>
    {
        for (var turn = 0; i <= end - TLanes.Count; i += TLanes.Count, turn++)
        {
            var sums = partial + (turn % Turns * MostLanes);
            var (term, left, right) = TTerms.Of(TLanes.Load(x + i), TLanes.Load(other + i), channel);
            term.AddTo(sums);
            left.AddProductTo(right, sums + (Turns * MostLanes));
        }

        return i;
    }
}
