using System.Numerics;

namespace CnnCluster.Kernels.Collectives;

/// <summary>A collective between threads of one process, which read and write each other's buffers directly.</summary>
/// <remarks>Rank r alone reads and writes chunk r of every buffer, so nothing is copied and no chunk is locked.</remarks>
internal sealed class InProcessCollective(InProcessGroup group, Rank rank) : Collective(rank, group.World)
{
    private nint[] nodes = [];

    public override CollectiveTransport Transport => CollectiveTransport.Threads;

    internal override void Reduce<T>(LeafDeal leaves, Span<T> rows, Span<T> result, Reduction reduction)
    {
        Publish("reduction", rows, result, result.Length);
        using (group.Working())
        {
            var own = ReduceChunk(leaves, OwnChunk(result), result.Length, reduction);
            HandOn(own, result.Length);
        }

        group.Meet();
    }

    internal override void ReduceScatter<T>(Span<T> buffer, Span<T> part)
    {
        Publish("reduce-scatter", buffer, part, buffer.Length);
        using (group.Working())
        {
            ReduceChunk(OneEach, part, buffer.Length, Reduction.Sum);
        }

        group.Meet();
    }

    internal override void Deliver<T>(Span<T> buffer, Span<T> parts)
    {
        Publish("delivery", buffer, parts, buffer.Length);
        using (group.Working())
        {
            for (var other = 0; other < WorldSize.Value; other++)
            {
                var chunk = OwnChunk(group.Input<T>(other, buffer.Length));
                chunk.CopyTo(parts[(other * chunk.Length)..]);
            }
        }

        group.Meet();
    }

    internal override void AllGather<T>(Span<T> part, IReadOnlyList<int> lengths, Span<T> whole)
    {
        Publish("all-gather", part, whole, whole.Length);
        using (group.Working())
        {
            var start = 0;
            for (var other = 0; other < lengths.Count; other++)
            {
                group.Input<T>(other, lengths[other]).CopyTo(whole[start..]);
                start += lengths[other];
            }
        }

        group.Meet();
    }

    internal override void Broadcast<T>(Span<T> buffer, Rank root)
    {
        Publish("broadcast", buffer, buffer, buffer.Length);
        if (Rank != root)
        {
            using (group.Working())
            {
                group.Input<T>(root.Value, buffer.Length).CopyTo(buffer);
            }
        }

        group.Meet();
    }

    internal override void Meet() => group.Meet();

    internal override void Break(string reason) => group.Fail(reason);

    internal override void Settle() => group.AwaitWorkers();

    internal override void Release()
    {
    }

    /// <summary>Shows the others this rank's memory and waits for theirs.</summary>
    private unsafe void Publish<T>(string operation, Span<T> input, Span<T> output, int length)
        where T : unmanaged
    {
        fixed (T* from = input, to = output)
        {
            // Native memory or the stack's, which no garbage collector moves.
            group.Show(Rank, new Entry(operation, sizeof(T), length, (nint)from, (nint)to));
        }

        group.Meet();
        group.ThrowIfDifferent();
    }

    private Span<T> OwnChunk<T>(Span<T> whole)
    {
        var (start, count) = Chunks.Of(Rank.Value, WorldSize.Value, whole.Length);
        return whole.Slice(start, count);
    }

    /// <summary>Reduces this rank's chunk of all ranks' rows.</summary>
    private unsafe Span<T> ReduceChunk<T>(LeafDeal leaves, Span<T> own, int length, Reduction reduction)
        where T : unmanaged, INumber<T>
    {
        if (nodes.Length != leaves.Nodes.Count) nodes = new nint[leaves.Nodes.Count];
        var (start, _) = Chunks.Of(Rank.Value, WorldSize.Value, length);
        var next = 0;
        for (var other = 0; other < WorldSize.Value; other++)
        {
            for (var row = 0; row < leaves.Rows[other]; row++)
            {
                nodes[next++] = group.Entry(other).Input + (nint)((((long)row * length) + start) * sizeof(T));
            }
        }

        SumTree.Reduce(reduction, leaves.Leaves, leaves.Nodes, nodes, own);
        return own;
    }

    private void HandOn<T>(Span<T> own, int length)
        where T : unmanaged
    {
        for (var other = 0; other < WorldSize.Value; other++)
        {
            if (other != Rank.Value) own.CopyTo(OwnChunk(group.Output<T>(other, length)));
        }
    }
}
