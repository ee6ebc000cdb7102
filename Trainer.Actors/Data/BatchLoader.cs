using CnnCluster.Kernels;

namespace CnnCluster.Trainer.Data;

/// <summary>
/// Prepares one rank's slices of the global batches ahead of time, on a thread of its own. What a sample becomes
/// depends on the seed, the epoch and the sample alone, so every world size sees the same global batches.
/// </summary>
/// <param name="set">The samples, the same on every rank.</param>
/// <param name="batch">Samples of a global batch, at least 1; the last one of an epoch holds what is left.</param>
/// <param name="rank">This worker, from 0 to world − 1.</param>
/// <param name="world">Number of ranks, at least 1.</param>
/// <param name="seed">The run's seed.</param>
/// <param name="augmentations">Applied to each image of a training sample, in order, each image with random numbers of its own.</param>
/// <param name="maxSlice">The most samples this worker can take of a batch; a longer slice is a mistake of the caller's.</param>
public sealed class BatchLoader(
    SampleSet set, int batch, int rank, int world, ulong seed, IReadOnlyList<Augmentation> augmentations, int maxSlice)
{
    private const int Ahead = 2;

    // value/255 for each byte.
    private static readonly float[] Unit = [.. Enumerable.Range(0, 256).Select(value => value / 255f)];
    private readonly RandomKey[][] keys =
    [
        .. set.Inputs.Select((_, input) => augmentations
            .Select((augmentation, place) => AugmentationDraws.KeyOf(seed, augmentation.Name, place, input)).ToArray()),
    ];

    /// <summary>Global batches in an epoch.</summary>
    public int Steps { get; } = (int)(((long)set.Count + batch - 1) / batch);

    /// <summary>This rank's slices of an epoch's shuffled, augmented batches.</summary>
    /// <param name="epoch">Chooses the order and the augmentations' random numbers.</param>
    /// <param name="skipSteps">Batches at the beginning to leave out, as when an interrupted epoch goes on.</param>
    public IEnumerable<Batch> TrainEpoch(int epoch, int skipSteps) => Prefetch.Run(
        $"batches of epoch {epoch}", Ahead, Prepare(() => SampleOrder.OfEpoch(seed, epoch, set.Count), skipSteps, epoch));

    /// <summary>This rank's slices of the batches in the set's order, not augmented.</summary>
    public IEnumerable<Batch> InOrder() =>
        Prefetch.Run("batches in order", Ahead, Prepare(() => [.. Enumerable.Range(0, set.Count)], 0, epoch: null));

    private IEnumerable<Batch> Prepare(Func<int[]> makeOrder, int skipSteps, int? epoch)
    {
        var order = makeOrder();
        for (var step = skipSteps; step < Steps; step++)
        {
            var first = step * batch;
            var globalCount = Math.Min(batch, order.Length - first);
            var (start, count) = Slices.Of(globalCount, rank, world);
            if (count > maxSlice) throw new InvalidOperationException($"a slice of {count} samples is longer than {maxSlice}");
            yield return Gather(order.AsSpan(first + start, count), epoch, globalCount, start);
        }
    }

    private Batch Gather(ReadOnlySpan<int> samples, int? epoch, int globalCount, int start)
    {
        var inputs = new float[set.Inputs.Count][];
        for (var input = 0; input < inputs.Length; input++)
        {
            inputs[input] = GatherInput(input, samples, epoch);
        }

        var targets = new TargetValues[set.Targets.Count];
        for (var target = 0; target < targets.Length; target++)
        {
            targets[target] = set.Targets[target].Of(samples);
        }

        return new Batch(globalCount, start, samples.Length, inputs, targets);
    }

    private float[] GatherInput(int input, ReadOnlySpan<int> samples, int? epoch)
    {
        var (shape, source) = set.Inputs[input];
        var pixels = new float[samples.Length * shape.Size];
        var scratch = new float[shape.Size];
        for (var i = 0; i < samples.Length; i++)
        {
            var sample = samples[i];
            var destination = pixels.AsSpan(i * shape.Size, shape.Size);
            ToUnit(source.AsSpan(sample * shape.Size, shape.Size), destination);
            if (epoch is { } number) Augment(shape, keys[input], CounterRandom.Row(number, sample), destination, scratch);
        }

        return pixels;
    }

    private void Augment(SampleShape shape, RandomKey[] inputKeys, ulong row, Span<float> pixels, float[] scratch)
    {
        for (var place = 0; place < augmentations.Count; place++)
        {
            pixels.CopyTo(scratch);
            augmentations[place].Apply(shape, new AugmentationDraws(inputKeys[place], row), scratch, pixels);
        }
    }

    private static void ToUnit(ReadOnlySpan<byte> bytes, Span<float> destination)
    {
        for (var i = 0; i < bytes.Length; i++)
        {
            destination[i] = Unit[bytes[i]];
        }
    }
}
