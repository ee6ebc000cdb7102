using static TorchSharp.torch;

namespace CnnCluster.Kernels.Collectives;

/// <summary>The collective of a world of one: every operation leaves the buffer as it is.</summary>
public sealed class SoloCollective : ICollective
{
    private volatile string? aborted;

    public Rank Rank => new(0);

    public WorldSize WorldSize { get; } = new(1);

    public void AllReduceSum(Tensor buffer) => ThrowIfAborted();

    public void AllReduceTree(Tensor nodes, LeafRange leaves, int totalLeaves, Tensor result)
    {
        ThrowIfAborted();
        LeafRows.Check(nodes, leaves, totalLeaves, result);
        LeafDeal.Of([leaves], [totalLeaves]);
        using var gradless = no_grad();
        using var whole = nodes.view(-1);
        result.copy_(whole);
    }

    public void Broadcast(Tensor buffer, Rank root) => ThrowIfAborted();

    public void Barrier() => ThrowIfAborted();

    public void Abort(string reason) => aborted ??= reason;

    public void Dispose()
    {
    }

    private void ThrowIfAborted()
    {
        if (aborted is { } reason)
        {
            throw new CollectiveException(reason);
        }
    }
}
