using CnnCluster.Kernels;
using CnnCluster.Trainer.Data;
using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Training.Gradients;

/// <summary>How a worker's slices become the gradient of the whole batch.</summary>
internal interface IStepGradient : IDisposable
{
    /// <summary>How many slices this worker has of each batch.</summary>
    int Parts { get; }

    /// <summary>Seconds of <see cref="Compute"/> that were spent in sums over the whole batch, in all.</summary>
    double WaitSeconds { get; }

    /// <summary>Computes this worker's part.</summary>
    /// <param name="slices">Batch by batch, as the loader gives them.</param>
    /// <param name="scope">The step.</param>
    /// <exception cref="CollectiveException">A peer was waited for, for statistics of the batch, and is gone or late.</exception>
    void Compute(IReadOnlyList<Batch> slices, StepScope scope);

    /// <summary>Sums all workers' parts into the arena's gradients and extras, on every worker.</summary>
    /// <exception cref="CollectiveException">A peer is gone or late.</exception>
    void Reduce();

    /// <summary>The step has been applied.</summary>
    void Applied()
    {
    }

    /// <summary>An epoch begins: what a checkpoint does not keep, nobody has any more.</summary>
    void BeginEpoch()
    {
    }

    /// <summary>What a worker reports of validation samples, so that all workers' reports add up to the whole.</summary>
    /// <param name="parts">The sums of each of the worker's parts of every batch.</param>
    EpochSums Join(IReadOnlyList<EpochSums> parts);
}
