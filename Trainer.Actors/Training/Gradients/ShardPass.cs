namespace CnnCluster.Trainer.Training.Gradients;

/// <summary>What a shard goes through the network with, and what it has of its own there.</summary>
internal sealed class ShardPass(SlicePass pass, params IReadOnlyList<IDisposable> owned) : IDisposable
{
    public SlicePass Pass => pass;

    public void Dispose()
    {
        foreach (var part in owned)
        {
            part.Dispose();
        }
    }
}
