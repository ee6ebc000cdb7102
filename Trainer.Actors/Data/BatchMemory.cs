using System.Collections.Concurrent;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Data;

/// <summary>
/// Memory for batches that come one after another: libtorch's own, aligned, so that a batch is copied once, from bytes to
/// where it is computed with. (A matrix product picks its kernel, and with it the order of its sums, by the alignment of
/// what it reads: an array of the garbage collector's would not do.)
/// </summary>
internal sealed class BatchMemory(SampleSet set, int capacity)
{
    private readonly ConcurrentBag<(Tensor[] Inputs, Tensor[] Targets)> spare = [];

    /// <summary>A batch of so many samples, whose numbers are still to be written.</summary>
    public Batch Rent(long globalCount, long firstSample, int count)
    {
        var whole = spare.TryTake(out var found) ? found : Allocate();
        if (count == capacity)
        {
            return new Batch(globalCount, firstSample, whole.Inputs, whole.Targets, () => spare.Add(whole));
        }

        Tensor[] inputs = [.. whole.Inputs.Select(First)], targets = [.. whole.Targets.Select(First)];
        return new Batch(globalCount, firstSample, inputs, targets, () =>
        {
            foreach (var part in inputs.Concat(targets))
            {
                part.Dispose();
            }

            spare.Add(whole);
        });

        Tensor First(Tensor tensor) => tensor.narrow(0, 0, count).DetachFromDisposeScope();
    }

    private (Tensor[] Inputs, Tensor[] Targets) Allocate() => (
        [.. set.Inputs.Select(images => Empty(ScalarType.Float32, capacity, images.Shape.Channels, images.Shape.Height, images.Shape.Width))],
        [.. set.Targets.Select(values => values switch
        {
            TargetValues.Classes => Empty(ScalarType.Int64, capacity),
            TargetValues.Numbers numbers => Empty(ScalarType.Float32, capacity, numbers.Width),
            _ => throw new ArgumentOutOfRangeException(nameof(values), values, "No such target."),
        })]);

    private static Tensor Empty(ScalarType type, params long[] shape) => empty(shape, dtype: type).DetachFromDisposeScope();
}
