using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// Sums leaves along one fixed binary tree: the first 2^k leaves, with 2^k the greatest power of two below their
/// number, then the rest, each by the same rule. The order of additions depends on the number of leaves alone.
/// </summary>
/// <remarks>
/// A leaf is one shard of the batch. A rank that holds several neighbouring shards sums whole subtrees of them before
/// they travel (<see cref="Nodes"/>), and the bits stay those of this tree.
/// </remarks>
public static class SumTree
{
    /// <summary>Elements summed at a time, so that partial sums stay in the first-level cache.</summary>
    private const int Block = 2048;

    /// <summary>Writes the sum of a tree's leaves, or the greatest of them.</summary>
    /// <param name="reduction">What is made of two elements.</param>
    /// <param name="leaves">How many leaves the tree has; at least 1.</param>
    /// <param name="nodes">Subtrees in the leaves' order, as <see cref="Nodes"/> gives them, or single leaves; together all leaves.</param>
    /// <param name="sums">Where each of these subtrees' sums begins, in memory that does not move.</param>
    /// <param name="destination">Receives the sums, each node being as long; it may be one of the nodes.</param>
    internal static unsafe void Reduce<T>(
        Reduction reduction, int leaves, IReadOnlyList<LeafRange> nodes, ReadOnlySpan<nint> sums, Span<T> destination)
        where T : unmanaged, INumber<T>
    {
        var whole = new LeafRange(0, leaves);
        for (var start = 0; start < destination.Length; start += Block)
        {
            var sum = destination.Slice(start, Math.Min(Block, destination.Length - start));
            var next = 0;
            var result = Reduce(new Given<T>(reduction, nodes, sums, start), whole, ref next, sum);
            if (!Unsafe.AreSame(in result[0], in sum[0])) result.CopyTo(sum);
        }
    }

    /// <summary>How many of a tree's leaves are under its first branch; <paramref name="leaves"/> is at least 2.</summary>
    public static int FirstBranch(int leaves) => (int)BitOperations.RoundUpToPowerOf2((uint)leaves) / 2;

    /// <summary>The greatest subtrees of a tree that lie within a range, in order; together they are the range's leaves.</summary>
    /// <param name="range">Some of the tree's leaves.</param>
    /// <param name="leaves">How many leaves the tree has; at least 1.</param>
    /// <returns>At most 2·log₂ <paramref name="leaves"/>, and at least one unless the range is empty.</returns>
    public static IReadOnlyList<LeafRange> Nodes(LeafRange range, int leaves)
    {
        Check(range, leaves);
        var nodes = new List<LeafRange>();
        AddNodes(new LeafRange(0, leaves), range, nodes);
        return nodes;
    }

    /// <summary>How many <see cref="Nodes"/> there are.</summary>
    /// <inheritdoc cref="Nodes"/>
    internal static int NodeCount(LeafRange range, int leaves)
    {
        Check(range, leaves);
        return CountNodes(new LeafRange(0, leaves), range);
    }

    /// <summary>
    /// In which order a range's leaves are best made and summed, with the fewest buffers: afterwards buffers 0, 1, …
    /// hold the sums of <see cref="Nodes"/>, in their order.
    /// </summary>
    /// <inheritdoc cref="Nodes"/>
    /// <returns>The steps, one after the other. Their highest buffer number plus one is how many buffers they need.</returns>
    public static IReadOnlyList<TreeStep> Steps(LeafRange range, int leaves)
    {
        var steps = new List<TreeStep>();
        foreach (var (buffer, node) in Nodes(range, leaves).Index())
        {
            AddSteps(node, buffer, steps);
        }

        return steps;
    }

    private static void Check(LeafRange range, int leaves)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(leaves, 1);
        if (!range.IsWithin(leaves)) throw new ArgumentOutOfRangeException(nameof(range), $"{range.From} to {range.To}, of {leaves} leaves");
    }

    private static int CountNodes(LeafRange tree, LeafRange range)
    {
        if (range.To <= tree.From || tree.To <= range.From || range.Count == 0) return 0;
        if (range.From <= tree.From && tree.To <= range.To) return 1;
        var middle = tree.From + FirstBranch(tree.Count);
        return CountNodes(tree with { To = middle }, range) + CountNodes(tree with { From = middle }, range);
    }

    private static void AddNodes(LeafRange tree, LeafRange range, List<LeafRange> nodes)
    {
        if (range.To <= tree.From || tree.To <= range.From || range.Count == 0) return;
        if (range.From <= tree.From && tree.To <= range.To)
        {
            nodes.Add(tree);
            return;
        }

        var middle = tree.From + FirstBranch(tree.Count);
        AddNodes(tree with { To = middle }, range, nodes);
        AddNodes(tree with { From = middle }, range, nodes);
    }

    private static void AddSteps(LeafRange tree, int buffer, List<TreeStep> steps)
    {
        if (tree.Count == 1)
        {
            steps.Add(new TreeStep(buffer, Leaf: tree.From));
            return;
        }

        var middle = tree.From + FirstBranch(tree.Count);
        AddSteps(tree with { To = middle }, buffer, steps);
        AddSteps(tree with { From = middle }, buffer + 1, steps);
        steps.Add(new TreeStep(buffer, Leaf: null));
    }

    /// <summary>What a branch makes of its two sides; the room may be one of them.</summary>
    internal static void Combine<T>(Reduction reduction, ReadOnlySpan<T> first, ReadOnlySpan<T> second, Span<T> room)
        where T : unmanaged, INumber<T>
    {
        if (reduction == Reduction.Max) TensorPrimitives.Max(first, second, room);
        else TensorPrimitives.Add(first, second, room);
    }

    /// <summary>A subtree's sum: where its node lies, or what was added up in <paramref name="room"/>.</summary>
    /// <remarks>The room may be a node of this subtree: the last addition alone writes to it.</remarks>
    [SkipLocalsInit]
    private static ReadOnlySpan<T> Reduce<T>(Given<T> given, LeafRange tree, ref int next, Span<T> room)
        where T : unmanaged, INumber<T>
    {
        if (given.Has(next, tree)) return given.Node(next++, room.Length);
        if (tree.Count == 1) throw new ArgumentException($"Leaf {tree.From} is in no node, or not in its place.");
        var middle = tree.From + FirstBranch(tree.Count);
        Span<T> first = stackalloc T[Block];
        Span<T> second = stackalloc T[Block];
        var left = Reduce(given, tree with { To = middle }, ref next, first[..room.Length]);
        var right = Reduce(given, tree with { From = middle }, ref next, second[..room.Length]);
        Combine(given.Reduction, left, right, room);
        return room;
    }

    /// <summary>The nodes whose sums are given, at a block of their elements.</summary>
    private readonly unsafe ref struct Given<T>(Reduction reduction, IReadOnlyList<LeafRange> nodes, ReadOnlySpan<nint> sums, int start)
        where T : unmanaged
    {
        private readonly ReadOnlySpan<nint> sums = sums;

        public Reduction Reduction => reduction;

        public bool Has(int node, LeafRange tree) => node < nodes.Count && nodes[node] == tree;

        public ReadOnlySpan<T> Node(int node, int length) => new((T*)sums[node] + start, length);
    }
}
