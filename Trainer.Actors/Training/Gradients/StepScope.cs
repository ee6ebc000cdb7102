namespace CnnCluster.Trainer.Training.Gradients;

/// <summary>What a slice must know of the step that it is part of.</summary>
/// <param name="Step">Steps committed before.</param>
/// <param name="Samples">Samples of all batches that make the step, over all workers.</param>
/// <param name="Scale">What the loss is multiplied by; 1 but for float16.</param>
/// <param name="StopRequested">Whether this worker has been asked to stop.</param>
internal readonly record struct StepScope(long Step, long Samples, double Scale, bool StopRequested);
