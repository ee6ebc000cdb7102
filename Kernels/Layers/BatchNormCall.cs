using static TorchSharp.torch;

namespace CnnCluster.Kernels.Layers;

/// <summary>What one normalisation by the statistics of a batch, or by given ones, needs besides its input.</summary>
/// <param name="Step">The step, whose collective joins the ranks.</param>
/// <param name="Mean">The running mean, (C).</param>
/// <param name="Variance">The running variance, (C).</param>
public sealed record BatchNormCall(StepContext Step, Tensor Mean, Tensor Variance)
{
    /// <summary>What this step makes of the running mean; null where the running statistics are used and kept.</summary>
    public Tensor? NextMean { get; init; }

    /// <summary>What this step makes of the running variance.</summary>
    public Tensor? NextVariance { get; init; }

    /// <summary>How much of the running statistics a step keeps.</summary>
    public double Momentum { get; init; }

    /// <summary>Added to the variance, under the root.</summary>
    public double Epsilon { get; init; }

    /// <summary>Whether the statistics are those of the global batch, over all ranks.</summary>
    public bool Synchronised { get; init; }

    /// <summary>Whether a ReLU follows.</summary>
    public bool Rectified { get; init; }

    /// <summary>Whether the statistics are the batch's.</summary>
    internal bool OfBatch => NextMean is not null;

    /// <summary>How many elements a channel's statistics are of.</summary>
    internal double Count(ReadOnlySpan<long> shape)
    {
        var count = (double)(Synchronised ? Step.GlobalBatch : shape[0]);
        foreach (var side in shape[2..])
        {
            count *= side;
        }

        return count;
    }
}
