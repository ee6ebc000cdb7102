using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace CnnCluster.Kernels.Layers;

/// <summary>What becomes of an element, from it, another in its place, and its channel's numbers.</summary>
internal interface IChannelMap
{
    static abstract TLanes Of<TLanes>(TLanes x, TLanes other, in ChannelNumbers<TLanes> channel)
        where TLanes : struct, IFloatLanes<TLanes>;
}

/// <summary>Runs a map over tensors of one order; the result may be one of the operands.</summary>
internal static unsafe class ChannelMap
{
    /// <param name="order">How all three lie.</param>
    /// <param name="x">The first operand.</param>
    /// <param name="other">The second.</param>
    /// <param name="result">Is overwritten.</param>
    /// <param name="table">The channels' numbers.</param>
    public static void Run<TMap>(ChannelOrder order, float* x, float* other, float* result, in ChannelTable table)
        where TMap : IChannelMap
    {
        if (order.Inner == 1)
        {
            Rows<TMap>(order, x, other, result, table);
        }
        else if (order.HasSmallPlanes)
        {
            var rows = order.AsRows;
            var memory = (float*)NativeMemory.Alloc((nuint)rows.Channels, ChannelTable.Rows * sizeof(float));
            Rows<TMap>(rows, x, other, result, table.Repeated(memory, order.Inner));
            NativeMemory.Free(memory);
        }
        else
        {
            Planes<TMap>(order, x, other, result, table);
        }
    }

    private static void Rows<TMap>(ChannelOrder order, float* x, float* other, float* result, in ChannelTable table)
        where TMap : IChannelMap
    {
        var channel = 0;
        if (Vector512.IsHardwareAccelerated) channel = Rows<TMap, Lanes16>(order, channel, x, other, result, table);
        if (Vector256.IsHardwareAccelerated) channel = Rows<TMap, Lanes8>(order, channel, x, other, result, table);
        channel = Rows<TMap, Lanes4>(order, channel, x, other, result, table);
        Rows<TMap, Lanes1>(order, channel, x, other, result, table);
    }

    /// <summary>As many of the channels from this one on as make whole lanes, of all rows.</summary>
    private static int Rows<TMap, TLanes>(ChannelOrder order, int channel, float* x, float* other, float* result, in ChannelTable table)
        where TMap : IChannelMap
        where TLanes : struct, IFloatLanes<TLanes>
    {
        var end = channel + ((order.Channels - channel) / TLanes.Count * TLanes.Count);
        for (var row = 0; row < order.Outer && channel < end; row++)
        {
            var start = (long)row * order.Channels;
            for (var c = channel; c < end; c += TLanes.Count)
            {
                TMap.Of(TLanes.Load(x + start + c), TLanes.Load(other + start + c), table.Each<TLanes>(c)).Store(result + start + c);
            }
        }

        return end;
    }

    private static void Planes<TMap>(ChannelOrder order, float* x, float* other, float* result, in ChannelTable table)
        where TMap : IChannelMap
    {
        for (var outer = 0; outer < order.Outer; outer++)
        {
            for (var channel = 0; channel < order.Channels; channel++)
            {
                var i = 0;
                if (Vector512.IsHardwareAccelerated && order.Inner - i >= Lanes16.Count) i = Plane<TMap, Lanes16>(i, order.Inner, x, other, result, table.Same<Lanes16>(channel));
                if (Vector256.IsHardwareAccelerated && order.Inner - i >= Lanes8.Count) i = Plane<TMap, Lanes8>(i, order.Inner, x, other, result, table.Same<Lanes8>(channel));
                if (order.Inner - i >= Lanes4.Count) i = Plane<TMap, Lanes4>(i, order.Inner, x, other, result, table.Same<Lanes4>(channel));
                if (i < order.Inner) Plane<TMap, Lanes1>(i, order.Inner, x, other, result, table.Same<Lanes1>(channel));
                x += order.Inner;
                other += order.Inner;
                result += order.Inner;
            }
        }
    }

    private static int Plane<TMap, TLanes>(int i, int end, float* x, float* other, float* result, in ChannelNumbers<TLanes> channel)
        where TMap : IChannelMap
        where TLanes : struct, IFloatLanes<TLanes>
    {
        for (; i <= end - TLanes.Count; i += TLanes.Count)
        {
            TMap.Of(TLanes.Load(x + i), TLanes.Load(other + i), channel).Store(result + i);
        }

        return i;
    }
}
