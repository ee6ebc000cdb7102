using static TorchSharp.torch;

namespace CnnCluster.Kernels.Collectives;

/// <summary>The form in which a rank hands over its leaves: one row for each node.</summary>
internal static class LeafRows
{
    /// <exception cref="ArgumentException">The rows are not those of these leaves, or the result does not fit them.</exception>
    public static void Check(Tensor nodes, LeafRange leaves, int totalLeaves, Tensor result)
    {
        var rows = SumTree.NodeCount(leaves, totalLeaves);
        if (nodes.dim() != 2 || nodes.size(0) != rows || nodes.size(1) != result.numel())
        {
            throw new ArgumentException(
                $"{leaves} of {totalLeaves} are {rows} rows of the result's {result.numel()} elements; this is [{string.Join(", ", nodes.shape)}].", nameof(nodes));
        }

        if (nodes.dtype != result.dtype || nodes.device_type != result.device_type || nodes.device_index != result.device_index)
        {
            throw new ArgumentException($"The result is {result.dtype} on {result.device}, the rows are {nodes.dtype} on {nodes.device}.", nameof(result));
        }
    }
}
