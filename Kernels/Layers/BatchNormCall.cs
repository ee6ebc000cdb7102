using static TorchSharp.torch;

namespace CnnCluster.Kernels.Layers;

/// <summary>What one normalisation by the statistics of a batch, or by given ones, needs besides its input.</summary>
/// <param name="step">The step, whose collective joins the ranks.</param>
/// <param name="mean">The running mean, (C).</param>
/// <param name="variance">The running variance, (C).</param>
public sealed class BatchNormCall(StepContext step, Tensor mean, Tensor variance)
{
    private BatchNormPass? pass;

    public StepContext Step => step;

    /// <summary>The running mean, (C).</summary>
    public Tensor Mean => mean;

    /// <summary>The running variance, (C).</summary>
    public Tensor Variance => variance;

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
    internal double Count(Tensor x)
    {
        var count = (double)(Synchronised ? Step.GlobalBatch : x.size(0));
        for (var axis = 2; axis < x.dim(); axis++)
        {
            count *= x.size(axis);
        }

        return count;
    }

    /// <summary>What a backward pass must know besides the tensors: in most networks the same in every step.</summary>
    internal BatchNormPass Pass(bool ofInput, bool hasScale, bool hasShift)
    {
        if (pass is not { } kept || kept.OfInput != ofInput || kept.HasScale != hasScale || kept.HasShift != hasShift)
        {
            pass = kept = new BatchNormPass(this, ofInput, hasScale, hasShift, Step.Layer);
        }

        return kept;
    }
}

/// <summary>A pass that waits for its backward pass.</summary>
internal sealed record BatchNormPass(BatchNormCall Call, bool OfInput, bool HasScale, bool HasShift, string Layer);
