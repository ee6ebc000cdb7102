using System.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Collectives;

/// <summary>A collective between threads of one process, which read and write each other's buffers directly.</summary>
/// <remarks>Rank r alone reads and writes chunk r of every buffer, so nothing is copied and no chunk is locked.</remarks>
internal sealed class InProcessCollective(InProcessGroup group, Rank rank) : ICollective
{
    private LeafDeal deal = LeafDeal.OneEach(group.World);
    private nint[] chunks = [];

    public Rank Rank => rank;

    public WorldSize WorldSize => group.World;

    public void AllReduceSum(Tensor buffer) =>
        HostStaging.Run(buffer, b => Reduce<float>(b, OwnLeaf, WorldSize.Value, b), b => Reduce<double>(b, OwnLeaf, WorldSize.Value, b));

    public void AllReduceTree(Tensor nodes, LeafRange leaves, int totalLeaves, Tensor result)
    {
        LeafRows.Check(nodes, leaves, totalLeaves, result);
        HostStaging.Run(nodes, result, (n, r) => Reduce<float>(n, leaves, totalLeaves, r), (n, r) => Reduce<double>(n, leaves, totalLeaves, r));
    }

    public void Broadcast(Tensor buffer, Rank root) => HostStaging.Run(buffer, b => Copy<float>(b, root), b => Copy<double>(b, root));

    public void Barrier() => group.Meet();

    public void Abort(string reason) => group.Fail(reason);

    public void Dispose()
    {
    }

    private LeafRange OwnLeaf => new(rank.Value, rank.Value + 1);

    private unsafe void Reduce<T>(Tensor nodes, LeafRange leaves, int totalLeaves, Tensor result)
        where T : unmanaged, INumber<T>
    {
        group.Leaves[rank.Value] = leaves;
        group.TotalLeaves[rank.Value] = totalLeaves;
        group.Nodes[rank.Value] = (nint)TensorMemory.Pointer<T>(nodes);
        var length = Publish<T>(result);
        Deal();
        group.Work(() => SumChunk<T>(length));
        group.Meet();
    }

    /// <summary>Which leaves each rank has in this operation; as before, mostly.</summary>
    private void Deal()
    {
        if (deal.Ranges.SequenceEqual(group.Leaves) && Array.TrueForAll(group.TotalLeaves, count => count == deal.Leaves)) return;
        try
        {
            deal = LeafDeal.Of([.. group.Leaves], group.TotalLeaves);
        }
        catch (CollectiveException e)
        {
            group.Fail(e.Message);
            group.ThrowIfFailed();
        }
    }

    private void SumChunk<T>(int length)
        where T : unmanaged, INumber<T>
    {
        var (start, count) = Chunks.Of(rank.Value, WorldSize.Value, length);
        var own = Of<T>(rank.Value, length).Slice(start, count);
        SumTree.Sum(deal.Leaves, deal.Nodes, NodeChunks<T>(start, length), own);
        for (var other = 0; other < WorldSize.Value; other++)
        {
            if (other != rank.Value)
            {
                own.CopyTo(Of<T>(other, length).Slice(start, count));
            }
        }
    }

    /// <summary>Where this rank's chunk of every rank's every node lies.</summary>
    private unsafe nint[] NodeChunks<T>(int start, int length)
        where T : unmanaged
    {
        if (chunks.Length != deal.Nodes.Count) chunks = new nint[deal.Nodes.Count];
        var next = 0;
        for (var other = 0; other < WorldSize.Value; other++)
        {
            for (var row = 0; row < deal.Rows[other]; row++)
            {
                chunks[next++] = (nint)((T*)group.Nodes[other] + ((long)row * length) + start);
            }
        }

        return chunks;
    }

    private void Copy<T>(Tensor buffer, Rank root)
        where T : unmanaged
    {
        var length = Publish<T>(buffer);
        if (rank != root)
        {
            group.Work(() => Of<T>(root.Value, length).CopyTo(Of<T>(rank.Value, length)));
        }

        group.Meet();
    }

    /// <summary>Shows the others this rank's buffer and waits for theirs.</summary>
    private unsafe int Publish<T>(Tensor buffer)
        where T : unmanaged
    {
        var memory = TensorMemory.Span<T>(buffer);
        fixed (T* first = memory)
        {
            // Native memory, which no garbage collector moves.
            group.Buffers[rank.Value] = (nint)first;
        }

        var bytes = (long)memory.Length * sizeof(T);
        group.Lengths[rank.Value] = bytes;
        group.Meet();
        if (Array.Exists(group.Lengths, other => other != bytes))
        {
            group.Fail($"the ranks entered with buffers of different lengths: {string.Join(", ", group.Lengths)} bytes");
            group.ThrowIfFailed();
        }

        return memory.Length;
    }

    private unsafe Span<T> Of<T>(int other, int length)
        where T : unmanaged => new((void*)group.Buffers[other], length);
}
