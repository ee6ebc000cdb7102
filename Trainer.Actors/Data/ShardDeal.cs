using CnnCluster.Dsl;
using CnnCluster.Kernels.Collectives;

namespace CnnCluster.Trainer.Data;

/// <summary>In exact mode, which shards of every batch a rank computes.</summary>
/// <param name="Own">The rank's shards, at least one: they follow those of the rank before.</param>
/// <param name="Total">How many shards a batch has.</param>
public sealed record ShardDeal(LeafRange Own, int Total)
{
    /// <summary>The deal of a plan; null where it is not exact.</summary>
    /// <param name="plan">Says how many shards there are.</param>
    /// <param name="rank">From 0.</param>
    /// <param name="world">Number of ranks.</param>
    /// <exception cref="UserException">There are more ranks than shards.</exception>
    public static ShardDeal? Of(TrainPlan plan, int rank, int world)
    {
        if (plan.Shards is not { } shards) return null;
        if (world > shards) throw new UserException($"exact shards={shards} is for {shards} workers at most, and there are {world}: each computes one shard of a batch at least.");
        var (first, count) = Slices.Of(shards, rank, world);
        return new ShardDeal(new LeafRange(first, first + count), shards);
    }

    /// <summary>Where the rank's shards of a batch are: the same whatever the number of ranks.</summary>
    /// <param name="samples">Samples of the batch.</param>
    public IEnumerable<(int Start, int Count)> SlicesOf(int samples) =>
        Enumerable.Range(Own.From, Own.Count).Select(shard => Slices.Of(samples, shard, Total));
}
