namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// Replaces connections between ranks of one host by links through shared memory. Every rank offers every other a segment
/// over their connection, and says which host it runs on; whoever finds the segment, in both directions, shares it. Between
/// containers that share no memory, and between hosts, the connections stay, also where hosts share a folder.
/// </summary>
internal sealed class SharedHandover : IDisposable
{
    private readonly TcpPeer?[] peers;
    private readonly SharedLayout layout;
    private readonly byte[] nonce = new byte[SharedSegment.NonceBytes];
    private readonly byte[] host;
    private readonly SharedSegment?[] segments;
    private SharedSegment? own;

    /// <param name="peers">The connections in rank order; null at this rank's own place.</param>
    /// <param name="host">What tells this rank's host from others: as many bytes on every rank.</param>
    public SharedHandover(TcpPeer?[] peers, byte[] host)
    {
        this.peers = peers;
        this.host = host;
        layout = new SharedLayout(new WorldSize(peers.Length));
        segments = new SharedSegment?[peers.Length];
        own = SharedSegment.TryCreate(layout.SegmentBytes, nonce);
        if (own is null) Array.Clear(nonce);
    }

    /// <summary>Offers and maps segments; when it returns, none has a name in the file system any more.</summary>
    /// <returns>
    /// The links in rank order; this rank's segment, which must outlive them, or null where no link uses it; and the ranks' hosts.
    /// </returns>
    /// <exception cref="CollectiveException">A peer is gone or late.</exception>
    public (PeerLink?[] Links, SharedSegment? Own, MeshHosts Hosts) Run(Rank self)
    {
        byte[] offer = [.. nonce, .. host];
        Exchange(_ => offer, offer.Length, (rank, offered) => segments[rank] = Map(offered));
        Exchange(rank => [Mapped(rank)], 1, (rank, answer) =>
        {
            if (answer[0] == 1 && Mapped(rank) == 1) return;
            segments[rank]?.Dispose();
            segments[rank] = null;
        });
        own?.Unlink();
        var shares = new byte[peers.Length][];
        byte[] shared = shares[self.Value] = [.. Enumerable.Range(0, peers.Length).Select(Mapped)];
        Exchange(_ => shared, shared.Length, (rank, told) => shares[rank] = told);
        var links = peers.Select((peer, rank) => Link(self, peer, rank)).ToArray();
        var used = Array.Exists(segments, static segment => segment is not null) ? own : null;
        if (used is not null) own = null;
        Array.Clear(segments);
        return (links, used, MeshHosts.Of(shares));
    }

    /// <summary>Frees what no link has taken.</summary>
    public void Dispose()
    {
        Array.ForEach(segments, static segment => segment?.Dispose());
        own?.Dispose();
    }

    /// <summary>Sends every peer some bytes and hears as many from each.</summary>
    private void Exchange(Func<int, byte[]> said, int length, Action<int, byte[]> heard)
    {
        var operation = new Operation(OperationKind.Handover, length);
        var sent = GC.AllocateArray<byte>(length, pinned: true);
        foreach (var peer in peers.OfType<TcpPeer>())
        {
            // So few bytes have left when Send returns.
            said(peer.Rank.Value).CopyTo(sent, 0);
            peer.Send(operation, Pieces.Of<byte>(sent));
        }

        foreach (var peer in peers.OfType<TcpPeer>())
        {
            var answer = new byte[length];
            peer.Receive(operation, answer);
            heard(peer.Rank.Value, answer);
        }
    }

    private SharedSegment? Map(byte[] offered)
    {
        var segment = offered.AsSpan(0, SharedSegment.NonceBytes);
        var kernel = offered.AsSpan(SharedSegment.NonceBytes);
        return own is null || segment.IndexOfAnyExcept((byte)0) < 0 || !kernel.SequenceEqual(host)
            ? null
            : SharedSegment.TryOpen(layout.SegmentBytes, segment);
    }

    private byte Mapped(int rank) => segments[rank] is null ? (byte)0 : (byte)1;

    private PeerLink? Link(Rank self, TcpPeer? peer, int rank) =>
        peer is not null && segments[rank] is { } segment
            ? new SharedMemoryLink(self, peer, own!, segment, layout, LookingAgain.TicksOf(peers.Length))
            : peer;
}
