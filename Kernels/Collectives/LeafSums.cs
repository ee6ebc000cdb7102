using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// Sums a rank's leaves as they are made, in as few buffers as the tree allows (at most two for each halving of the
/// leaves), and then all ranks' along the same tree. One thread at a time.
/// </summary>
public sealed class LeafSums : IDisposable
{
    private readonly LeafRange leaves;
    private readonly int total;
    private readonly IReadOnlyList<TreeStep> steps;
    private readonly Tensor buffers;
    private readonly Tensor nodes;
    private readonly Tensor[] rows;

    /// <param name="leaves">This rank's.</param>
    /// <param name="total">How many leaves the tree has.</param>
    /// <param name="length">Elements of a leaf.</param>
    /// <param name="type">float32 or float64.</param>
    /// <param name="device">Where they lie.</param>
    public LeafSums(LeafRange leaves, int total, long length, ScalarType type, Device device)
    {
        (this.leaves, this.total) = (leaves, total);
        steps = SumTree.Steps(leaves, total);
        var count = steps.Count == 0 ? 0 : steps.Max(static step => step.Buffer) + 1;
        buffers = zeros([count, length], dtype: type, device: device).DetachFromDisposeScope();
        nodes = buffers.narrow(0, 0, SumTree.Nodes(leaves, total).Count).DetachFromDisposeScope();
        rows = [.. Enumerable.Range(0, count).Select(row => buffers[row].DetachFromDisposeScope())];
    }

    /// <summary>Makes this rank's leaves in turn, and sums them as far as the tree goes within them.</summary>
    /// <param name="make">Makes the leaf of a number: one-dimensional and contiguous. It is read before the next is made.</param>
    public void Fill(Func<int, Tensor> make)
    {
        for (var i = 0; i < steps.Count; i++)
        {
            var (buffer, leaf) = steps[i];
            if (leaf is not { } number)
            {
                Elements.Add(rows[buffer + 1], rows[buffer]);
            }
            else if (i + 1 < steps.Count && steps[i + 1] == new TreeStep(buffer - 1, Leaf: null))
            {
                // It would be copied into its buffer and added from there next.
                Elements.Add(make(number), rows[buffer - 1]);
                i++;
            }
            else
            {
                Elements.Copy(make(number), rows[buffer]);
            }
        }
    }

    /// <summary>The sum of all ranks' leaves, on every rank, which must all call it.</summary>
    /// <param name="collective">Joins the ranks.</param>
    /// <param name="result">Receives the sum.</param>
    /// <exception cref="CollectiveException">A peer is gone or late.</exception>
    public void Reduce(ICollective collective, Tensor result) => collective.AllReduceTree(nodes, leaves, total, result);

    public void Dispose()
    {
        foreach (var row in rows)
        {
            row.Dispose();
        }

        nodes.Dispose();
        buffers.Dispose();
    }
}
