using CnnCluster.Kernels.Native;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// A collective of several hosts with several ranks each: a host's ranks go first among themselves, then one leader of each
/// host among the leaders, so that a buffer crosses the network once a host and not once a rank.
/// </summary>
/// <remarks>
/// A host sums the greatest subtrees that its ranks' leaves make, and the leaders the rest of the tree: the bits are those
/// of a collective without hosts. Whatever fails on one level fails the other too.
/// </remarks>
public sealed class HierarchicalCollective : Collective
{
    private readonly Collective local;
    private readonly Collective? leaders;
    private readonly LeafRange[] hosts;
    private readonly int host;
    private readonly NativeScratch sums = new();
    private readonly NativeScratch gathered = new();
    private readonly HostDeal oneEach;
    private readonly int[] equalLengths;
    private readonly int[] lengthsOfHosts;
    private readonly int[] lengthsWithin;
    private HostDeal hostDeal;
    private bool isBetween;

    /// <param name="rank">This rank among all.</param>
    /// <param name="ranksOfHosts">How many ranks each host has: the first ones are the first host's.</param>
    /// <param name="local">Joins this host's ranks; it is disposed of with this one.</param>
    /// <param name="leaders">Joins the hosts' first ranks, in the hosts' order; null on all others. Disposed of likewise.</param>
    /// <exception cref="ArgumentException">The collectives are not of these ranks.</exception>
    public HierarchicalCollective(Rank rank, IReadOnlyList<int> ranksOfHosts, ICollective local, ICollective? leaders)
        : base(rank, new WorldSize(ranksOfHosts.Sum()))
    {
        hosts = Hosts(ranksOfHosts);
        host = hosts.TakeWhile(h => h.To <= rank.Value).Count();
        this.local = local as Collective ?? throw new ArgumentException("A collective of this library is needed.", nameof(local));
        this.leaders = leaders as Collective;
        var own = rank.Value - hosts[host].From;
        if (local.WorldSize.Value != hosts[host].Count || local.Rank.Value != own)
        {
            throw new ArgumentException($"Rank {rank} is rank {own} of {hosts[host].Count} on its host, not {local.Rank} of {local.WorldSize}.", nameof(local));
        }

        if (own == 0 ? leaders is null || leaders.WorldSize.Value != hosts.Length || leaders.Rank.Value != host : leaders is not null)
        {
            throw new ArgumentException($"The first rank of each of {hosts.Length} hosts, and no other, is a leader, in the hosts' order.", nameof(leaders));
        }

        oneEach = hostDeal = new HostDeal(OneEach, hosts, host);
        equalLengths = new int[WorldSize.Value];
        lengthsOfHosts = new int[hosts.Length];
        lengthsWithin = new int[hosts[host].Count];
    }

    public override bool SpansHosts => hosts.Length > 1;

    public override CollectiveTransport Transport => SpansHosts ? CollectiveTransport.Hierarchical : local.Transport;

    private static Rank Leader => new(0);

    public override ErrorFeedback NewFeedback(WireFormat format, int length) =>
        leaders?.NewFeedback(format, length) ?? new ErrorFeedback(format, length, 0, 0);

    internal override void Reduce<T>(LeafDeal leaves, Span<T> rows, Span<T> result, Reduction reduction)
    {
        var deal = DealOf(leaves);
        var own = Room<T>(sums, deal.Within.Count * result.Length);
        var first = 0;
        for (var node = 0; node < deal.Within.Count; node++)
        {
            var count = deal.Within[node].Rows[local.Rank.Value];
            local.Reduce(deal.Within[node], rows.Slice(first, count * result.Length), own.Slice(node * result.Length, result.Length), reduction);
            first += count * result.Length;
        }

        if (EnterBetween()) leaders!.Reduce(deal.Between, own, result, reduction);
        LeaveBetween();
        local.Broadcast(result, Leader);
    }

    internal override void ReduceRounded(Span<float> values, ErrorFeedback feedback)
    {
        local.Reduce(local.OneEach, values, values, Reduction.Sum);
        if (EnterBetween()) leaders!.ReduceRounded(values, feedback);
        LeaveBetween();
        local.Broadcast(values, Leader);
    }

    internal override void ReduceScatter<T>(Span<T> buffer, Span<T> part)
    {
        var whole = Room<T>(gathered, buffer.Length);
        Reduce(OneEach, buffer, whole, Reduction.Sum);
        var (start, length) = Chunks.Of(Rank.Value, WorldSize.Value, buffer.Length);
        whole.Slice(start, length).CopyTo(part);
    }

    /// <remarks>Every rank gets everything and takes its own: more than it needs, by as many times as there are ranks.</remarks>
    internal override void Deliver<T>(Span<T> buffer, Span<T> parts)
    {
        var whole = Room<T>(gathered, checked(buffer.Length * WorldSize.Value));
        Array.Fill(equalLengths, buffer.Length);
        AllGather(buffer, equalLengths, whole);
        var (start, length) = Chunks.Of(Rank.Value, WorldSize.Value, buffer.Length);
        for (var rank = 0; rank < WorldSize.Value; rank++)
        {
            whole.Slice((rank * buffer.Length) + start, length).CopyTo(parts[(rank * length)..]);
        }
    }

    internal override void AllGather<T>(Span<T> part, IReadOnlyList<int> lengths, Span<T> whole)
    {
        Array.Clear(lengthsOfHosts);
        var before = 0;
        for (var h = 0; h < hosts.Length; h++)
        {
            for (var rank = hosts[h].From; rank < hosts[h].To; rank++)
            {
                lengthsOfHosts[h] += lengths[rank];
                if (h == host) lengthsWithin[rank - hosts[h].From] = lengths[rank];
            }

            if (h < host) before += lengthsOfHosts[h];
        }

        var own = whole.Slice(before, lengthsOfHosts[host]);
        local.AllGather(part, lengthsWithin, own);
        if (EnterBetween()) leaders!.AllGather(own, lengthsOfHosts, whole);
        LeaveBetween();
        local.Broadcast(whole, Leader);
    }

    internal override void Broadcast<T>(Span<T> buffer, Rank root)
    {
        var from = hosts.TakeWhile(h => h.To <= root.Value).Count();
        if (from == host) local.Broadcast(buffer, new Rank(root.Value - hosts[host].From));
        if (EnterBetween()) leaders!.Broadcast(buffer, new Rank(from));
        LeaveBetween();
        if (from != host) local.Broadcast(buffer, Leader);
    }

    internal override void Meet()
    {
        local.Meet();
        if (EnterBetween()) leaders!.Meet();
        LeaveBetween();
        local.Meet();
    }

    internal override void Adopt(MovableMemory? memory, long bytes) => local.Adopt(memory, bytes);

    internal override void Break(string reason)
    {
        local.Abort(reason);
        leaders?.Abort(reason);
    }

    /// <summary>Whoever waits on the other level hears of it at once, and the peer is named by its rank among all.</summary>
    internal override CollectiveException Failed(CollectiveException failure)
    {
        var known = Known(failure);
        Break(known.Message);
        return known;
    }

    internal override void Settle()
    {
        local.Settle();
        leaders?.Settle();
    }

    internal override void Release()
    {
        local.Dispose();
        leaders?.Dispose();
        sums.Dispose();
        gathered.Dispose();
    }

    private HostDeal DealOf(LeafDeal leaves)
    {
        if (ReferenceEquals(leaves, OneEach)) return oneEach;
        if (!ReferenceEquals(hostDeal.Deal, leaves)) hostDeal = new HostDeal(leaves, hosts, host);
        return hostDeal;
    }

    private CollectiveException Known(CollectiveException failure)
    {
        if (failure.Peer is not { } peer) return failure;
        var (level, rank) = isBetween
            ? ("between the hosts", hosts[peer.Value].From)
            : ($"on host {host}", hosts[host].From + peer.Value);
        return new CollectiveException($"{level}, where rank {peer} is rank {rank} of all, {failure.Message}", new Rank(rank), failure);
    }

    private static LeafRange[] Hosts(IReadOnlyList<int> ranks)
    {
        if (ranks.Any(static count => count < 1)) throw new ArgumentException($"Each host has a rank: {string.Join(", ", ranks)}.", nameof(ranks));
        var first = 0;
        return [.. ranks.Select(count => new LeafRange(first, first += count))];
    }

    private static unsafe Span<T> Room<T>(NativeScratch scratch, int length)
        where T : unmanaged => new((void*)scratch.Take(checked(length * sizeof(T))), length);

    /// <summary>Whether this rank takes part between the hosts, which it does from now on.</summary>
    private bool EnterBetween() => isBetween = leaders is not null;

    private void LeaveBetween() => isBetween = false;
}
