using CnnCluster.Kernels.Collectives;
using CnnCluster.Trainer.Data;
using CnnCluster.Trainer.Protocol;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Training.Gradients;

/// <summary>
/// Exact mode where layers take statistics of the whole batch, and lanes do not compute the whole network: a worker's shards go through the network in lockstep, each
/// on a thread of its own that waits at these layers for the others.
/// </summary>
internal sealed class ShardsTogether : IStepGradient
{
    private readonly ShardSums sums;
    private readonly ShardGroup group;
    private readonly ShardDeal deal;
    private readonly Lazy<ShardThread[]> threads;
    private readonly Func<int, Tensor> gradientOf;

    /// <param name="sums">Sums the shards; this disposes of it, and of the others.</param>
    /// <param name="group">Joins this worker's shards.</param>
    /// <param name="deal">This worker's shards.</param>
    /// <param name="newPass">Makes what a shard goes through the network with: its sums within a step are the group's.</param>
    public ShardsTogether(ShardSums sums, ShardGroup group, ShardDeal deal, Func<int, ShardPass> newPass)
    {
        (this.sums, this.group, this.deal) = (sums, group, deal);
        gradientOf = shard => threads!.Value[shard - deal.Own.From].Gradient;
        // What only validates needs none of them.
        threads = new(() => [.. Enumerable.Range(deal.Own.From, deal.Own.Count).Select(shard => new ShardThread(shard, newPass(shard), group))]);
    }

    public int Parts => deal.Own.Count;

    public double WaitSeconds => group.WaitSeconds;

    public void Compute(IReadOnlyList<Batch> slices, StepScope scope)
    {
        group.Begin();
        foreach (var thread in threads.Value)
        {
            thread.BackPropagate(sums.SlicesOf(thread.Shard, slices), scope);
        }

        group.End();
        sums.Fill(gradientOf);
    }

    public void Reduce() => sums.Reduce();

    public EpochSums Join(IReadOnlyList<EpochSums> parts) => sums.Join(parts);

    public void Dispose()
    {
        foreach (var thread in threads.IsValueCreated ? threads.Value : [])
        {
            thread.Dispose();
        }

        group.Dispose();
        sums.Dispose();
    }
}
