using CnnCluster.Kernels;
using CnnCluster.Kernels.Arena;
using CnnCluster.Trainer.Data;
using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Training.Gradients;

/// <summary>A worker computes its slice of a batch as a whole, and the workers' gradients are summed.</summary>
internal sealed class WholeSlice(SlicePass pass, ParameterArena arena, ICollective collective) : IStepGradient
{
    public int Parts => 1;

    public void Compute(IReadOnlyList<Batch> slices, StepScope scope) => pass.BackPropagate(slices, scope);

    public void Reduce() => collective.AllReduceSum(arena.ReductionBuffer);

    public EpochSums Join(IReadOnlyList<EpochSums> parts) => parts.Single();

    public void Dispose()
    {
    }
}
