using System.Numerics;
using System.Runtime.InteropServices;

namespace CnnCluster.Kernels.Collectives;

// How all ranks' rows become their sum on each of them.
internal sealed partial class MeshCollective
{
    /// <summary>Everyone sends everyone all its rows, two blocks ahead, and everyone sums.</summary>
    private void ReduceWhole<T>(Summing<T> sum, Span<T> result)
        where T : unmanaged, INumber<T>
    {
        const int ahead = 2;
        var blocks = Blocks.Count(sum.Length, sum.Block);
        for (var i = 0; i < blocks + ahead; i++)
        {
            if (i < blocks) SendAway(others, sum.Operation, sum.Rows(Blocks.Of(i, sum.Block, sum.Length), OwnRows(sum)));
            var summed = i - ahead;
            if (summed < 0 || summed >= blocks) continue;
            var stretch = Blocks.Of(summed, sum.Block, sum.Length);

            // The result may be one of the rows: it is not written before the row has left.
            Sum(sum, stretch, result.Slice(stretch.Start, stretch.Length), Math.Min(ahead, blocks - 1 - summed));
        }
    }

    /// <summary>Everyone sends everyone its chunk, sums the own one, and sends that to all.</summary>
    /// <remarks>
    /// In step i a rank sends block i, sums and sends back block i − 1, and receives what others made of block i − 2. A link
    /// must take four messages that nobody has received yet: the rank that is behind most can then always go on.
    /// </remarks>
    private void ReduceChunks<T>(Summing<T> sum, Span<T> result)
        where T : unmanaged, INumber<T>
    {
        var (start, count) = Chunks.Of(Rank.Value, WorldSize.Value, sum.Length);
        var blocks = Blocks.Count(Longest(sum.Length), sum.Block);
        for (var i = 0; i < blocks + 2; i++)
        {
            if (i < blocks) SendParts(sum, i);
            if (i > 0 && i <= blocks)
            {
                SumPart(sum, i - 1, result.Slice(start, count));
                SendAll(sum.Operation, BlockAt(result.Slice(start, count), i - 1, sum.Block));
            }

            if (i > 1) ReceiveSums(sum, i - 2, result);
        }
    }

    private void SendParts<T>(Summing<T> sum, int block)
        where T : unmanaged, INumber<T>
    {
        foreach (var link in others)
        {
            var (start, count) = Chunks.Of(link.Rank.Value, WorldSize.Value, sum.Length);
            var (offset, length) = Blocks.Of(block, sum.Block, count);
            link.Send(sum.Operation, sum.Rows((start + offset, length), OwnRows(sum)));
        }
    }

    private void SumPart<T>(Summing<T> sum, int block, Span<T> own)
        where T : unmanaged, INumber<T>
    {
        var start = Chunks.Of(Rank.Value, WorldSize.Value, sum.Length).Start;
        var (offset, length) = Blocks.Of(block, sum.Block, own.Length);
        Sum(sum, (start + offset, length), own.Slice(offset, length), unsent: int.MaxValue);
    }

    private void ReceiveSums<T>(Summing<T> sum, int block, Span<T> result)
        where T : unmanaged, INumber<T>
    {
        foreach (var link in others)
        {
            link.Receive(sum.Operation, MemoryMarshal.AsBytes(BlockAt(ChunkOf(result, link.Rank), block, sum.Block)));
        }
    }

    /// <summary>Sums a stretch of all ranks' rows: the own ones and those that the others' next messages hold.</summary>
    private unsafe void Sum<T>(Summing<T> sum, (int Start, int Length) stretch, Span<T> destination, int unsent)
        where T : unmanaged, INumber<T>
    {
        if (nodes.Length != sum.Leaves.Nodes.Count) nodes = new nint[sum.Leaves.Nodes.Count];
        var bytes = stretch.Length * sizeof(T);
        var next = 0;
        for (var rank = 0; rank < WorldSize.Value; rank++)
        {
            var count = sum.Leaves.Rows[rank];
            var (first, stride) = rank == Rank.Value
                ? (sum.Rows(stretch, count).First, (nint)sum.Length * sizeof(T))
                : (links[rank]!.Borrow(sum.Operation, count * bytes), bytes);
            for (var row = 0; row < count; row++)
            {
                nodes[next++] = first + (row * stride);
            }
        }

        if (unsent != int.MaxValue) AwaitSent(others, unsent);
        SumTree.Reduce(sum.Reduction, sum.Leaves.Leaves, sum.Leaves.Nodes, nodes, destination);
        Array.ForEach(others, static link => link.Return());
    }
}
