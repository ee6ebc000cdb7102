namespace CnnCluster.Kernels.Collectives;

/// <summary>A deal of leaves among ranks, seen by hosts: what a host sums by itself, and what is left to sum between hosts.</summary>
internal sealed class HostDeal
{
    /// <param name="deal">Which leaves each rank holds.</param>
    /// <param name="hosts">Which ranks each host has, in rank order.</param>
    /// <param name="own">The host that is asked for.</param>
    public HostDeal(LeafDeal deal, IReadOnlyList<LeafRange> hosts, int own)
    {
        Deal = deal;
        Between = LeafDeal.Of([.. hosts.Select(host => Leaves(deal, host))], [.. hosts.Select(_ => deal.Leaves)]);
        var ranks = deal.Ranges.Skip(hosts[own].From).Take(hosts[own].Count).ToList();
        Within = [.. SumTree.Nodes(Between.Ranges[own], deal.Leaves).Select(node => Part(node, ranks))];
    }

    public LeafDeal Deal { get; }

    /// <summary>The deal among the hosts.</summary>
    public LeafDeal Between { get; }

    /// <summary>For each of the host's nodes, in order, the deal of that subtree's leaves among the host's ranks.</summary>
    public IReadOnlyList<LeafDeal> Within { get; }

    private static LeafRange Leaves(LeafDeal deal, LeafRange host) => new(deal.Ranges[host.From].From, deal.Ranges[host.To - 1].To);

    /// <summary>A subtree is a tree by the same rule: its leaves are counted from its first.</summary>
    private static LeafDeal Part(LeafRange node, List<LeafRange> ranks) => LeafDeal.Of(
        [.. ranks.Select(range => new LeafRange(
            Math.Clamp(range.From, node.From, node.To) - node.From, Math.Clamp(range.To, node.From, node.To) - node.From))],
        [.. ranks.Select(_ => node.Count)]);
}
