namespace CnnCluster.Kernels.Optimization;

/// <summary>
/// Dynamic loss scaling: small gradients of float16 would vanish, so the loss is multiplied by a scale before backward and
/// the reduced gradient divided by it. A gradient that is not finite halves the scale and skips the step; after many good
/// steps in a row the scale doubles. All ranks see the same reduced gradient, so they decide alike. bfloat16 has float32's range
/// and no scale; its steps are skipped all the same.
/// </summary>
/// <remarks>
/// Micikevicius et al.: Mixed precision training, ICLR 2018, section 3.2; initial scale and growth as Keras' LossScaleOptimizer has
/// them. The scale is a power of two: scaling rounds nothing.
/// </remarks>
/// <param name="scales">Whether the loss is scaled; else the scale stays 1.</param>
public sealed class LossScaling(bool scales)
{
    /// <summary>The first scale, 2¹⁵.</summary>
    public const double Initial = 32768;

    /// <summary>Good steps in a row after which the scale doubles.</summary>
    public const int GrowthSteps = 2000;

    /// <summary>A loss that is not finite at this scale has diverged by itself.</summary>
    public const double Least = 1.0 / (1 << 24);

    /// <summary>Steps that may be skipped in a row where no scale changes: as many as take the first scale down to the least.</summary>
    public const int MostSkipped = 39;

    /// <summary>What the loss is multiplied by; a power of two.</summary>
    public double Scale { get; private set; } = scales ? Initial : 1;

    /// <summary>Good steps since the scale last changed or, below zero, steps that were skipped in a row where no scale could.</summary>
    public int GoodSteps { get; private set; }

    /// <summary>Takes up what a checkpoint kept.</summary>
    public void Restore(double scale, int goodSteps) => (Scale, GoodSteps) = (scale, goodSteps);

    /// <summary>The step was taken.</summary>
    public void Succeeded()
    {
        GoodSteps = Math.Max(GoodSteps, 0) + 1;
        if (!scales || GoodSteps < GrowthSteps) return;
        GoodSteps = 0;
        // Beyond float32's greatest number every scaled loss would be infinite.
        Scale = Math.Min(2 * Scale, Math.ScaleB(1, 126));
    }

    /// <summary>The step's gradient was not finite, and nothing was done.</summary>
    /// <returns>False where neither a smaller scale nor another batch would help.</returns>
    public bool Failed()
    {
        if (!scales)
        {
            GoodSteps = Math.Min(GoodSteps, 0) - 1;
            return GoodSteps >= -MostSkipped;
        }

        GoodSteps = 0;
        Scale /= 2;
        return Scale >= Least;
    }
}
