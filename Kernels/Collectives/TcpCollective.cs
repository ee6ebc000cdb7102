using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Collectives;

/// <summary>A collective between processes, over one TCP connection between each two ranks.</summary>
/// <remarks>
/// All-reduce: each rank receives its chunk of every other rank's buffer, sums the chunk along the tree, and sends the
/// sums to all: 2·(n−1)/n of the buffer each way, as a ring, in two messages a peer instead of 2·(n−1) in a row.
/// </remarks>
internal sealed class TcpCollective : ICollective
{
    /// <summary>What a rank tells of its leaves: the first, the one past the last, and how many there are in all.</summary>
    private const int DealWords = 3;

    private readonly TcpPeer?[] peers;
    private readonly Scratch scratch = new();
    private readonly LeafDeal oneEach;
    private LeafDeal deal;
    private volatile string? aborted;

    /// <param name="rank">This rank.</param>
    /// <param name="peers">The connections in rank order; null at this rank's own place.</param>
    public TcpCollective(Rank rank, TcpPeer?[] peers)
    {
        Rank = rank;
        this.peers = peers;
        WorldSize = new WorldSize(peers.Length);
        oneEach = deal = LeafDeal.OneEach(WorldSize);
    }

    public Rank Rank { get; }

    public WorldSize WorldSize { get; }

    private IEnumerable<TcpPeer> Others => peers.OfType<TcpPeer>();

    public void AllReduceSum(Tensor buffer) =>
        Run(() => HostStaging.Run(buffer, b => Reduce<float>(oneEach, b, b), b => Reduce<double>(oneEach, b, b)));

    public void AllReduceTree(Tensor nodes, LeafRange leaves, int totalLeaves, Tensor result)
    {
        LeafRows.Check(nodes, leaves, totalLeaves, result);
        Run(() =>
        {
            Deal(leaves, totalLeaves);
            HostStaging.Run(nodes, result, (n, r) => Reduce<float>(deal, n, r), (n, r) => Reduce<double>(deal, n, r));
        });
    }

    public void Broadcast(Tensor buffer, Rank root) => Run(() => HostStaging.Run(buffer, b => Copy<float>(b, root), b => Copy<double>(b, root)));

    public void Barrier() => Run(() =>
    {
        foreach (var peer in Others)
        {
            peer.Send([], 0);
        }

        foreach (var peer in Others)
        {
            peer.Receive([], 0);
        }
    });

    public void Abort(string reason)
    {
        aborted ??= reason;
        foreach (var peer in Others)
        {
            peer.Close();
        }
    }

    public void Dispose()
    {
        foreach (var peer in Others)
        {
            peer.Dispose();
        }

        scratch.Dispose();
    }

    private void Run(Action operation)
    {
        ThrowIfAborted(null);
        try
        {
            operation();
        }
        catch (CollectiveException e)
        {
            // Whoever catches this may free the buffer, so nothing may be sent from it any more.
            foreach (var peer in Others)
            {
                peer.Settle();
            }

            // Where the connections were closed by an abort, its reason is what the caller should hear.
            ThrowIfAborted(e);
            aborted = e.Message;
            throw;
        }

        ThrowIfAborted(null);
    }

    private void ThrowIfAborted(Exception? cause)
    {
        if (aborted is { } reason)
        {
            throw new CollectiveException(reason, inner: cause);
        }
    }

    /// <summary>Tells the others which leaves are here, and learns theirs.</summary>
    private void Deal(LeafRange leaves, int totalLeaves)
    {
        var told = scratch.Take<int>(DealWords * WorldSize.Value);
        Span<int> own = told.Slice(DealWords * Rank.Value, DealWords);
        (own[0], own[1], own[2]) = (leaves.From, leaves.To, totalLeaves);
        foreach (var peer in Others)
        {
            peer.Send(Bytes(own), DealWords);
        }

        foreach (var peer in Others)
        {
            peer.Receive(Bytes(told.Slice(DealWords * peer.Rank.Value, DealWords)), DealWords);
        }

        WaitUntilSent();
        var ranges = new LeafRange[WorldSize.Value];
        var totals = new int[WorldSize.Value];
        for (var rank = 0; rank < ranges.Length; rank++)
        {
            ranges[rank] = new LeafRange(told[DealWords * rank], told[(DealWords * rank) + 1]);
            totals[rank] = told[(DealWords * rank) + 2];
        }

        deal = LeafDeal.Of(ranges, totals);
    }

    private void Reduce<T>(LeafDeal leaves, Tensor nodes, Tensor result)
        where T : unmanaged, INumber<T>
    {
        var all = TensorMemory.Span<T>(result);
        var rows = TensorMemory.Span<T>(nodes);
        var whole = (long)all.Length * Unsafe.SizeOf<T>();
        var (start, count) = Chunks.Of(Rank.Value, WorldSize.Value, all.Length);
        var parts = scratch.Take<T>((leaves.Nodes.Count - leaves.Rows[Rank.Value]) * count);
        for (var row = 0; row < leaves.Rows.Max(); row++)
        {
            ExchangeRow(leaves, row, rows, parts, all.Length);
        }

        SumOwn(leaves, rows, parts, all.Slice(start, count), start, all.Length);
        foreach (var peer in Others)
        {
            peer.Send(Bytes(all.Slice(start, count)), whole);
        }

        foreach (var peer in Others)
        {
            peer.Receive(Bytes(ChunkOf(peer, all)), whole);
        }

        WaitUntilSent();
    }

    /// <summary>
    /// Sends everyone its chunk of a row, and receives this rank's chunk of everyone's: row by row, so that no rank
    /// sends a second row to one that still sends its first.
    /// </summary>
    private void ExchangeRow<T>(LeafDeal leaves, int row, Span<T> rows, Span<T> parts, int length)
        where T : unmanaged
    {
        var whole = (long)length * Unsafe.SizeOf<T>();
        if (row < leaves.Rows[Rank.Value])
        {
            foreach (var peer in Others)
            {
                peer.Send(Bytes(ChunkOf(peer, rows.Slice(row * length, length))), whole);
            }
        }

        var count = Chunks.Of(Rank.Value, WorldSize.Value, length).Length;
        var first = 0;
        foreach (var peer in Others)
        {
            if (row < leaves.Rows[peer.Rank.Value]) peer.Receive(Bytes(parts.Slice((first + row) * count, count)), whole);
            first += leaves.Rows[peer.Rank.Value];
        }
    }

    private unsafe void SumOwn<T>(LeafDeal leaves, Span<T> rows, Span<T> parts, Span<T> own, int start, int length)
        where T : unmanaged, INumber<T>
    {
        fixed (T* mine = rows, others = parts)
        {
            var sums = new nint[leaves.Nodes.Count];
            var (next, part) = (0, 0);
            for (var rank = 0; rank < WorldSize.Value; rank++)
            {
                for (var row = 0; row < leaves.Rows[rank]; row++)
                {
                    sums[next++] = rank == Rank.Value ? (nint)(mine + ((long)row * length) + start) : (nint)(others + ((long)part++ * own.Length));
                }
            }

            SumTree.Sum(leaves.Leaves, leaves.Nodes, sums, own);
        }
    }

    private void Copy<T>(Tensor buffer, Rank root)
        where T : unmanaged
    {
        var bytes = Bytes(TensorMemory.Span<T>(buffer));
        if (Rank != root)
        {
            peers[root.Value]!.Receive(bytes, bytes.Length);
            return;
        }

        foreach (var peer in Others)
        {
            peer.Send(bytes, bytes.Length);
        }

        WaitUntilSent();
    }

    private void WaitUntilSent()
    {
        foreach (var peer in Others)
        {
            peer.WaitUntilSent();
        }
    }

    private Span<T> ChunkOf<T>(TcpPeer peer, Span<T> all)
    {
        var (start, count) = Chunks.Of(peer.Rank.Value, WorldSize.Value, all.Length);
        return all.Slice(start, count);
    }

    private static Span<byte> Bytes<T>(Span<T> elements)
        where T : unmanaged => MemoryMarshal.AsBytes(elements);

    /// <summary>Native memory that grows as needed and is kept from one operation to the next.</summary>
    private sealed unsafe class Scratch : IDisposable
    {
        private void* memory;
        private nuint size;

        public Span<T> Take<T>(int count)
            where T : unmanaged
        {
            var bytes = (nuint)count * (nuint)sizeof(T);
            if (bytes > size)
            {
                memory = NativeMemory.Realloc(memory, bytes);
                size = bytes;
            }

            return new Span<T>(memory, count);
        }

        public void Dispose()
        {
            NativeMemory.Free(memory);
            memory = null;
            size = 0;
        }
    }
}
