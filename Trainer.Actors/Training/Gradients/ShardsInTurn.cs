using CnnCluster.Trainer.Data;
using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Training.Gradients;

/// <summary>Exact mode where shards know nothing of each other: a worker computes its own one after the other.</summary>
internal sealed class ShardsInTurn(SlicePass pass, ShardSums sums) : IStepGradient
{
    public int Parts => sums.Shards;

    /// <summary>Its shards ask nothing of each other while they are computed.</summary>
    public double WaitSeconds => 0;

    public void Compute(IReadOnlyList<Batch> slices, StepScope scope) => sums.Fill(shard =>
    {
        pass.BackPropagate(sums.SlicesOf(shard, slices), scope);
        return pass.Gradient;
    });

    public void Reduce() => sums.Reduce();

    public EpochSums Join(IReadOnlyList<EpochSums> parts) => sums.Join(parts);

    public void Dispose() => sums.Dispose();
}
