using static TorchSharp.torch;

namespace CnnCluster.Trainer.Data;

/// <summary>One rank's slice of one global batch.</summary>
/// <param name="globalCount">Samples of the global batch, over all ranks; the last batch of an epoch may be short.</param>
/// <param name="firstSample">The place of this slice's first sample in the global batch, from 0.</param>
/// <param name="inputs">For each input (N, C, H, W) numbers from 0 to 1, float32 on the CPU; N is 0 where there are more ranks than samples.</param>
/// <param name="targets">For each target N classes, int64, or (N, width) numbers, float32.</param>
/// <param name="release">Takes the batch back, for another with the same memory.</param>
public sealed class Batch(
    long globalCount, long firstSample, IReadOnlyList<Tensor> inputs, IReadOnlyList<Tensor> targets, Action<Batch>? release = null) : IDisposable
{
    private int disposed;

    public long GlobalCount { get; private set; } = globalCount;

    public long FirstSample { get; private set; } = firstSample;

    public IReadOnlyList<Tensor> Inputs => inputs;

    public IReadOnlyList<Tensor> Targets => targets;

    /// <summary>Samples of this slice.</summary>
    public int Count { get; } = (int)inputs[0].size(0);

    /// <summary>Gives the memory to a batch to come. A batch that is not disposed of keeps its own.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 0) release?.Invoke(this);
    }

    /// <summary>A batch that was given back becomes another.</summary>
    internal Batch Again(long nextGlobalCount, long nextFirstSample)
    {
        (GlobalCount, FirstSample, disposed) = (nextGlobalCount, nextFirstSample, 0);
        return this;
    }
}
