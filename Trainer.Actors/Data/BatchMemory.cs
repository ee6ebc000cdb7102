using static TorchSharp.torch;

namespace CnnCluster.Trainer.Data;

/// <summary>
/// Batches that come one after another in the same memory: libtorch's own, aligned, so that a batch is copied once, from bytes
/// to where it is computed with. (A matrix product picks its kernel, and with it the order of its sums, by the alignment of
/// what it reads: an array of the garbage collector's would not do.) A batch that was given back is used again as a whole.
/// </summary>
internal sealed class BatchMemory
{
    private readonly SampleSet set;
    private readonly Dictionary<int, Stack<Batch>> spare = [];
    private readonly Action<Batch> giveBack;

    public BatchMemory(SampleSet set)
    {
        this.set = set;
        giveBack = GiveBack;
    }

    /// <summary>A batch of so many samples, whose numbers are still to be written.</summary>
    public Batch Rent(long globalCount, long firstSample, int count)
    {
        lock (spare)
        {
            if (spare.TryGetValue(count, out var known) && known.TryPop(out var found)) return found.Again(globalCount, firstSample);
        }

        return new Batch(globalCount, firstSample, Inputs(count), Targets(count), giveBack);
    }

    private void GiveBack(Batch batch)
    {
        lock (spare)
        {
            if (!spare.TryGetValue(batch.Count, out var known)) spare.Add(batch.Count, known = []);
            known.Push(batch);
        }
    }

    private Tensor[] Inputs(int count) =>
        [.. set.Inputs.Select(images => Empty(ScalarType.Float32, count, images.Shape.Channels, images.Shape.Height, images.Shape.Width))];

    private Tensor[] Targets(int count) =>
        [.. set.Targets.Select(values => values switch
        {
            TargetValues.Classes => Empty(ScalarType.Int64, count),
            TargetValues.Numbers numbers => Empty(ScalarType.Float32, count, numbers.Width),
            _ => throw new ArgumentOutOfRangeException(nameof(values), values, "No such target."),
        })];

    private static Tensor Empty(ScalarType type, params long[] shape) => empty(shape, dtype: type).DetachFromDisposeScope();
}
