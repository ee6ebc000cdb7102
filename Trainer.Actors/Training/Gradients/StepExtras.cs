namespace CnnCluster.Trainer.Training.Gradients;

/// <summary>What stands behind the gradients: one reduction carries what every worker must know of the step.</summary>
internal static class StepExtras
{
    public const int Loss = 0;
    public const int Stop = 1;

    /// <summary>The first of the further figures' sums.</summary>
    public const int FirstFigure = 2;
}
