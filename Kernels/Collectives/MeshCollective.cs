using System.Numerics;
using System.Runtime.InteropServices;
using CnnCluster.Kernels.Native;

namespace CnnCluster.Kernels.Collectives;

/// <summary>A collective between processes, over one link between each two ranks.</summary>
/// <remarks>
/// Each rank sums its own chunk of all ranks' buffers along the tree and sends the sums to all: 2·(n−1)/n of the buffer
/// each way, as a ring, in two messages in a row instead of 2·(n−1). A small buffer goes to everyone as a whole, in one; of
/// many ranks, along the tree's branches.
/// Everything travels in blocks, one block ahead of what is summed.
/// </remarks>
internal sealed partial class MeshCollective : Collective
{
    /// <summary>Buffers that ranks send each other as a whole, instead of chunk by chunk and back.</summary>
    private const int SmallBytes = 16 * 1024;

    /// <summary>
    /// The same between two ranks over a network, where no byte more travels: up to here one message in a row is worth that
    /// both sum everything. Through slots of shared memory it always is.
    /// </summary>
    private const int SmallBytesOfPair = 1 << 20;

    /// <summary>A shorter buffer stays where it is: it is copied faster than ranks meet once more.</summary>
    private const long LeastAtHome = 1 << 20;

    private readonly PeerLink?[] links;
    private readonly PeerLink[] others;
    private readonly IDisposable? segment;
    private readonly int blockBytes;
    private nint[] nodes = [];
    private BufferHome? home;

    /// <param name="rank">This rank.</param>
    /// <param name="links">The links in rank order; null at this rank's own place.</param>
    /// <param name="segment">What the links need of this rank's, to be disposed of behind them.</param>
    /// <param name="spansHosts">Whether some ranks reach each other over a network alone.</param>
    /// <param name="mesh">The ranks of the mesh whose links these are: their messages have its blocks.</param>
    public MeshCollective(Rank rank, PeerLink?[] links, IDisposable? segment, bool spansHosts, WorldSize mesh)
        : base(rank, new WorldSize(links.Length))
    {
        this.links = links;
        this.segment = segment;
        SpansHosts = spansHosts;

        // From the next rank on, so that not all ranks begin with the same one.
        others = [.. links[rank.Value..].OfType<PeerLink>(), .. links[..rank.Value].OfType<PeerLink>()];
        blockBytes = Blocks.Bytes(mesh, spansHosts);
    }

    public override bool SpansHosts { get; }

    public override CollectiveTransport Transport => SpansHosts ? CollectiveTransport.Tcp : CollectiveTransport.SharedMemory;

    /// <summary>The longest buffer that ranks send each other as a whole, where it is copied.</summary>
    /// <param name="world">Ranks.</param>
    /// <param name="spansHosts">Whether some share no memory.</param>
    internal static long LongestWhole(int world, bool spansHosts) =>
        world >= LeastDoubling ? world * SmallBytesOfMany
        : world > 2 ? SmallBytes
        : spansHosts ? SmallBytesOfPair
        : long.MaxValue;

    internal override void Reduce<T>(LeafDeal leaves, Span<T> rows, Span<T> result, Reduction reduction)
    {
        var operation = new Operation(OperationKind.Reduction, Size<T>(result.Length));
        var sum = new Summing<T>(operation, leaves, rows, result.Length, reduction, BlockOf<T>(leaves));
        if (operation.Bytes > SmallFor(result)) ReduceChunks(sum, result);
        else if (WorldSize.Value >= LeastDoubling && leaves.IsOneEach) ReduceDoubling(sum, result);
        else ReduceWhole(sum, result);
        AwaitSent(others, 0);
    }

    internal override void ReduceScatter<T>(Span<T> buffer, Span<T> part)
    {
        var operation = new Operation(OperationKind.ReduceScatter, Size<T>(buffer.Length));
        var sum = new Summing<T>(operation, OneEach, buffer, buffer.Length, Reduction.Sum, BlockOf<T>(OneEach));
        var blocks = Blocks.Count(Longest(buffer.Length), sum.Block);
        for (var i = 0; i <= blocks; i++)
        {
            if (i < blocks) SendParts(sum, i);
            if (i > 0) SumPart(sum, i - 1, part);
        }

        AwaitSent(others, 0);
    }

    internal override void Deliver<T>(Span<T> buffer, Span<T> parts)
    {
        var operation = new Operation(OperationKind.Delivery, Size<T>(buffer.Length));
        var block = BlockOf<T>(OneEach);
        var blocks = Blocks.Count(Longest(buffer.Length), block);
        var own = ChunkOf(buffer, Rank);
        own.CopyTo(parts[(Rank.Value * own.Length)..]);
        for (var i = 0; i <= blocks; i++)
        {
            foreach (var link in others)
            {
                if (i < blocks) link.Send(operation, Pieces.Of(BlockAt(ChunkOf(buffer, link.Rank), i, block)));
            }

            foreach (var link in others)
            {
                if (i > 0) link.Receive(operation, MemoryMarshal.AsBytes(BlockAt(parts.Slice(link.Rank.Value * own.Length, own.Length), i - 1, block)));
            }
        }

        AwaitSent(others, 0);
    }

    internal override void AllGather<T>(Span<T> part, IReadOnlyList<int> lengths, Span<T> whole)
    {
        var operation = new Operation(OperationKind.AllGather, Size<T>(whole.Length));
        var block = BlockOf<T>(OneEach);
        var blocks = Blocks.Count(lengths.Max(), block);
        Span<int> starts = stackalloc int[lengths.Count];
        for (var rank = 1; rank < lengths.Count; rank++)
        {
            starts[rank] = starts[rank - 1] + lengths[rank - 1];
        }

        part.CopyTo(whole[starts[Rank.Value]..]);
        for (var i = 0; i <= blocks; i++)
        {
            if (i < blocks && i < Blocks.Count(part.Length, block)) SendAll(operation, BlockAt(part, i, block));
            if (i > 0) ReceiveEach(operation, i - 1, block, lengths, starts, whole);
        }

        AwaitSent(others, 0);
    }

    internal override void Broadcast<T>(Span<T> buffer, Rank root)
    {
        var operation = new Operation(OperationKind.Broadcast, Size<T>(buffer.Length));
        var block = BlockOf<T>(OneEach);
        for (var i = 0; i < Blocks.Count(buffer.Length, block); i++)
        {
            var stretch = BlockAt(buffer, i, block);
            if (Rank == root) SendAll(operation, stretch);
            else links[root.Value]!.Receive(operation, MemoryMarshal.AsBytes(stretch));
        }

        AwaitSent(others, 0);
    }

    /// <summary>In round k each rank hears of 2^k more ranks: it has heard of all after log₂ n of them.</summary>
    internal override void Meet()
    {
        var (operation, world) = (new Operation(OperationKind.Barrier, 0), WorldSize.Value);
        for (var distance = 1; distance < world; distance *= 2)
        {
            links[(Rank.Value + distance) % world]!.Send(operation, Pieces.None);
            links[(Rank.Value + world - distance) % world]!.Receive(operation, []);
        }

        AwaitSent(others, 0);
    }

    internal override void Adopt(MovableMemory? memory, long bytes)
    {
        home?.Dispose();
        home = bytes < LeastAtHome ? null : BufferHome.TryShare(this, [.. others.OfType<SharedMemoryLink>()], memory);
    }

    internal override void Break(string reason) => Array.ForEach(others, static link => link.Close());

    internal override void Settle()
    {
        Array.ForEach(others, static link => link.Settle());

        // Whoever still reads there reads what was there.
        home?.Dispose();
    }

    internal override void Release()
    {
        home?.Dispose();
        Array.ForEach(others, static link => link.Dispose());
        segment?.Dispose();
    }

    private void ReceiveEach<T>(Operation operation, int index, int block, IReadOnlyList<int> lengths, Span<int> starts, Span<T> whole)
        where T : unmanaged
    {
        foreach (var link in others)
        {
            var rank = link.Rank.Value;
            if (index >= Blocks.Count(lengths[rank], block)) continue;
            link.Receive(operation, MemoryMarshal.AsBytes(BlockAt(whole.Slice(starts[rank], lengths[rank]), index, block)));
        }
    }

    private void SendAll<T>(Operation operation, Span<T> memory)
        where T : unmanaged => SendAll(operation, Pieces.Of(memory));

    private void SendAll(Operation operation, Pieces pieces)
    {
        foreach (var link in others)
        {
            link.Send(operation, pieces);
        }
    }

    private static void SendAway(PeerLink[] links, Operation operation, Pieces pieces)
    {
        foreach (var link in links)
        {
            link.SendAway(operation, pieces);
        }
    }

    private static void AwaitSent(PeerLink[] links, int unsent)
    {
        foreach (var link in links)
        {
            link.AwaitSent(unsent);
        }
    }

    /// <summary>The longest buffer that ranks send each other as a whole: the same on every rank.</summary>
    private long SmallFor<T>(Span<T> memory)
        where T : unmanaged => IsHome(memory) ? SmallBytes : LongestWhole(WorldSize.Value, SpansHosts);

    /// <summary>Whether all ranks read this memory of each other's in place: the same on every rank.</summary>
    private bool IsHome<T>(Span<T> memory)
        where T : unmanaged => home is { IsEveryones: true } && home.Has(memory);

    private int OwnRows<T>(Summing<T> sum)
        where T : unmanaged => sum.Leaves.Rows[Rank.Value];

    private int Longest(int length) => Chunks.Of(0, WorldSize.Value, length).Length;

    /// <summary>How many elements a block has when a message holds one of every row.</summary>
    private unsafe int BlockOf<T>(LeafDeal leaves)
        where T : unmanaged => blockBytes / sizeof(T) / leaves.MostRows;

    private Span<T> ChunkOf<T>(Span<T> whole, Rank rank)
    {
        var (start, length) = Chunks.Of(rank.Value, WorldSize.Value, whole.Length);
        return whole.Slice(start, length);
    }

    private static Span<T> BlockAt<T>(Span<T> memory, int index, int block)
    {
        var (start, length) = Blocks.Of(index, block, memory.Length);
        return memory.Slice(start, length);
    }

    private static unsafe long Size<T>(int length)
        where T : unmanaged => (long)length * sizeof(T);
}
