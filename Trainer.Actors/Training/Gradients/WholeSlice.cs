using CnnCluster.Trainer.Data;
using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Training.Gradients;

/// <summary>A worker computes its slice of a batch as a whole, and the workers' gradients are summed.</summary>
internal sealed class WholeSlice(SlicePass pass, GradientReduction reduction, TimedSum statistics) : IStepGradient
{
    public int Parts => 1;

    public double WaitSeconds => statistics.WaitSeconds;

    public void Compute(IReadOnlyList<Batch> slices, StepScope scope) => pass.BackPropagate(slices, scope, reduction.Marks);

    public void Reduce() => reduction.Complete();

    public void Applied() => reduction.Applied();

    public void BeginEpoch() => reduction.Forget();

    public EpochSums Join(IReadOnlyList<EpochSums> parts) => parts.Single();

    public void Dispose() => reduction.Dispose();
}
