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
    private readonly TcpPeer?[] peers;
    private readonly Scratch scratch = new();
    private volatile string? aborted;

    /// <param name="rank">This rank.</param>
    /// <param name="peers">The connections in rank order; null at this rank's own place.</param>
    public TcpCollective(Rank rank, TcpPeer?[] peers)
    {
        Rank = rank;
        this.peers = peers;
        WorldSize = new WorldSize(peers.Length);
    }

    public Rank Rank { get; }

    public WorldSize WorldSize { get; }

    private IEnumerable<TcpPeer> Others => peers.OfType<TcpPeer>();

    public void AllReduceSum(Tensor buffer) => Run(() => HostStaging.Run(buffer, Reduce<float>, Reduce<double>));

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

    private void Reduce<T>(Tensor buffer)
        where T : unmanaged, INumber<T>
    {
        var all = TensorMemory.Span<T>(buffer);
        var whole = (long)all.Length * Unsafe.SizeOf<T>();
        var (start, count) = Chunks.Of(Rank.Value, WorldSize.Value, all.Length);
        foreach (var peer in Others)
        {
            peer.Send(Bytes(ChunkOf(peer, all)), whole);
        }

        var parts = scratch.Take<T>((WorldSize.Value - 1) * count);
        var next = 0;
        foreach (var peer in Others)
        {
            peer.Receive(Bytes(parts.Slice(next++ * count, count)), whole);
        }

        SumOwn(all.Slice(start, count), parts, count);
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

    private unsafe void SumOwn<T>(Span<T> own, Span<T> parts, int count)
        where T : unmanaged, INumber<T>
    {
        fixed (T* mine = own, others = parts)
        {
            var (first, second, me) = ((nint)mine, (nint)others, Rank.Value);
            SumTree.Sum(
                WorldSize.Value,
                leaf => leaf == me
                    ? new ReadOnlySpan<T>((void*)first, count)
                    : new ReadOnlySpan<T>((T*)second + ((leaf < me ? leaf : leaf - 1) * (long)count), count),
                own);
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
