using System.Numerics;
using System.Numerics.Tensors;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// Sums leaves along one fixed binary tree: the first 2^k leaves, with 2^k the greatest power of two below their
/// number, then the rest, each by the same rule. The order of additions depends on the number of leaves alone.
/// </summary>
/// <remarks>
/// A leaf is one shard of the batch. Today each rank holds one; when a rank holds several neighbouring shards, whole
/// subtrees can be summed before they travel, and the bits stay those of this tree.
/// </remarks>
public static class SumTree
{
    /// <summary>Elements summed at a time, so that partial sums stay in the first-level cache.</summary>
    private const int Block = 2048;

    /// <summary>One leaf's elements from an index on.</summary>
    public delegate ReadOnlySpan<T> Leaf<T>(int leaf);

    /// <summary>Writes the sum of the leaves; the destination may be one of them.</summary>
    /// <param name="leaves">How many leaves; at least 1. All have the destination's length.</param>
    /// <param name="leaf">Gives a leaf by its number.</param>
    /// <param name="destination">Receives the sums.</param>
    public static void Sum<T>(int leaves, Leaf<T> leaf, Span<T> destination)
        where T : unmanaged, INumber<T>
    {
        Span<T> sum = stackalloc T[Block];
        for (var start = 0; start < destination.Length; start += Block)
        {
            var length = Math.Min(Block, destination.Length - start);
            Sum(0, leaves, leaf, start, sum[..length]);
            sum[..length].CopyTo(destination[start..]);
        }
    }

    /// <summary>How many of a tree's leaves are under its first branch; <paramref name="leaves"/> is at least 2.</summary>
    public static int FirstBranch(int leaves) => (int)BitOperations.RoundUpToPowerOf2((uint)leaves) / 2;

    private static void Sum<T>(int first, int count, Leaf<T> leaf, int start, Span<T> sum)
        where T : unmanaged, INumber<T>
    {
        if (count == 1)
        {
            leaf(first).Slice(start, sum.Length).CopyTo(sum);
            return;
        }

        var left = FirstBranch(count);
        Span<T> right = stackalloc T[Block];
        right = right[..sum.Length];
        Sum(first, left, leaf, start, sum);
        Sum(first + left, count - left, leaf, start, right);
        TensorPrimitives.Add<T>(sum, right, sum);
    }
}
