namespace CnnCluster.Trainer.Training;

/// <summary>What one committed step did, over the global batch.</summary>
/// <param name="Samples">Samples of the global batch.</param>
/// <param name="Loss">The mean of the weighted losses' sum, without regularization.</param>
/// <param name="Penalty">The regularization losses of the weights the step started from.</param>
/// <param name="Figures">The sum over the samples of each of the plan's further figures; up to the next step.</param>
/// <param name="StopRequested">At least one worker was asked to stop: all workers see it at this same step.</param>
/// <param name="Skipped">The gradient was not finite in 16 bits, and the step changed nothing; its figures are zeros.</param>
public readonly record struct StepResult(
    long Samples, double Loss, double Penalty, ArraySegment<double> Figures, bool StopRequested, bool Skipped);
