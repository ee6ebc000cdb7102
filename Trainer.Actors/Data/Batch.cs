namespace CnnCluster.Trainer.Data;

/// <summary>One rank's slice of one global batch.</summary>
/// <param name="GlobalCount">Samples of the global batch, over all ranks; the last batch of an epoch may be short.</param>
/// <param name="FirstSample">The place of this slice's first sample in the global batch, from 0.</param>
/// <param name="Count">Samples of this slice; 0 where there are more ranks than samples.</param>
/// <param name="Inputs">Count×C×H×W numbers from 0 to 1 for each input.</param>
/// <param name="Targets">Count samples' values of each target.</param>
public sealed record Batch(
    long GlobalCount, long FirstSample, int Count, IReadOnlyList<float[]> Inputs, IReadOnlyList<TargetValues> Targets);
