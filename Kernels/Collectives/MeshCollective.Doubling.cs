using System.Numerics;
using System.Numerics.Tensors;

namespace CnnCluster.Kernels.Collectives;

// Small buffers of many ranks: log₂ n messages in a row, in place of n − 1 from every rank.
internal sealed partial class MeshCollective
{
    /// <summary>Ranks from which on a small buffer is summed branch by branch: with fewer, everyone sends it to everyone at once.</summary>
    internal const int LeastDoubling = 8;

    /// <summary>For each of them: chunks have more messages for each rank more, and doubling sends everything log₂ n times.</summary>
    private const int SmallBytesOfMany = 2 * 1024;

    private Exchange[]? exchanges;

    /// <summary>
    /// Recursive doubling (Thakur, Rabenseifner and Gropp, "Optimization of Collective Communication Operations in MPICH",
    /// IJHPCA 19(1), 2005) along the branches of <see cref="SumTree"/>: from the leaves on, the ranks of both sides of a branch
    /// tell each other their side's sum, so that every rank makes the tree's own additions.
    /// </summary>
    private unsafe void ReduceDoubling<T>(Summing<T> sum, Span<T> result)
        where T : unmanaged, INumber<T>
    {
        var own = new Span<T>((T*)sum.Rows((0, sum.Length), 1).First, sum.Length);
        foreach (var exchange in exchanges ??= Exchanges())
        {
            Combine(sum, exchange, own, result);
            own = result;
        }
    }

    /// <summary>One block ahead of what is summed. The result may be what this rank has: it is not written before that has left.</summary>
    private static unsafe void Combine<T>(Summing<T> sum, Exchange exchange, Span<T> own, Span<T> result)
        where T : unmanaged, INumber<T>
    {
        var blocks = Blocks.Count(sum.Length, sum.Block);
        for (var i = 0; i <= blocks; i++)
        {
            if (i < blocks) SendAway(exchange.To, sum.Operation, Pieces.Of(BlockAt(own, i, sum.Block)));
            if (i == 0) continue;
            var mine = BlockAt(own, i - 1, sum.Block);
            var room = BlockAt(result, i - 1, sum.Block);
            var theirs = new ReadOnlySpan<T>((T*)exchange.From.Borrow(sum.Operation, mine.Length * sizeof(T)), mine.Length);
            AwaitSent(exchange.To, i < blocks ? 1 : 0);
            if (exchange.IsFirst) SumTree.Combine(sum.Reduction, mine, theirs, room);
            else SumTree.Combine(sum.Reduction, theirs, mine, room);
            exchange.From.Return();
        }
    }

    /// <summary>
    /// This rank's, from the leaves to the whole tree. The first side of a branch is the longer one: where the other has
    /// fewer ranks, each of those tells several.
    /// </summary>
    private Exchange[] Exchanges()
    {
        var path = new List<Exchange>();
        var tree = new LeafRange(0, WorldSize.Value);
        while (tree.Count > 1)
        {
            var middle = tree.From + SumTree.FirstBranch(tree.Count);
            var (first, second) = (tree with { To = middle }, tree with { From = middle });
            var isFirst = Rank.Value < middle;
            var (mine, theirs) = isFirst ? (first, second) : (second, first);
            var place = Rank.Value - mine.From;
            path.Add(new Exchange(
                isFirst,
                links[theirs.From + (place % theirs.Count)]!,
                [.. Enumerable.Range(0, theirs.Count).Where(other => other % mine.Count == place).Select(other => links[theirs.From + other]!)]));
            tree = mine;
        }

        return [.. Enumerable.Reverse(path)];
    }

    /// <summary>What a rank does at a branch of the tree.</summary>
    /// <param name="IsFirst">Whether it is on the first side.</param>
    /// <param name="From">Who tells it the other side's sum.</param>
    /// <param name="To">Those of the other side that it tells its own side's sum.</param>
    private sealed record Exchange(bool IsFirst, PeerLink From, PeerLink[] To);
}
