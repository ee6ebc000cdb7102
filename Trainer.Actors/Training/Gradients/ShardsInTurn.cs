using CnnCluster.Trainer.Data;
using CnnCluster.Trainer.Protocol;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Training.Gradients;

/// <summary>Exact mode where shards know nothing of each other: a worker computes its own one after the other.</summary>
internal sealed class ShardsInTurn : IStepGradient
{
    private readonly SlicePass pass;
    private readonly ShardSums sums;
    private readonly Func<int, Tensor> make;
    private IReadOnlyList<Batch> slices = [];
    private StepScope scope;

    public ShardsInTurn(SlicePass pass, ShardSums sums)
    {
        (this.pass, this.sums) = (pass, sums);
        make = Make;
    }

    public int Parts => sums.Shards;

    /// <summary>Its shards ask nothing of each other while they are computed.</summary>
    public double WaitSeconds => 0;

    public void Compute(IReadOnlyList<Batch> slices, StepScope scope)
    {
        (this.slices, this.scope) = (slices, scope);
        sums.Fill(make);
    }

    public void Reduce() => sums.Reduce();

    public EpochSums Join(IReadOnlyList<EpochSums> parts) => sums.Join(parts);

    public void Dispose() => sums.Dispose();

    private Tensor Make(int shard)
    {
        pass.BackPropagate(sums.SlicesOf(shard, slices), scope);
        return pass.Gradient;
    }
}
