using System.Buffers;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Tracing;

namespace CnnCluster.Trainer.Data;

/// <summary>
/// Prepares one rank's slices of the global batches: ahead of time, on a thread of its own, or when they are taken. What a
/// sample becomes depends on the seed, the epoch and the sample alone, so every world size sees the same global batches.
/// </summary>
/// <param name="set">The samples, the same on every rank.</param>
/// <param name="batch">Samples of a global batch, at least 1; the last one of an epoch holds what is left.</param>
/// <param name="rank">This worker, from 0.</param>
/// <param name="shares">Each rank's part of a batch beside the others', at least 1; as many as there are ranks.</param>
/// <param name="seed">The run's seed.</param>
/// <param name="augmentations">Applied to each image of a training sample, in order, each image with random numbers of its own.</param>
/// <param name="maxSlice">The most samples this worker can take of a batch; a longer slice is a mistake of the caller's.</param>
/// <param name="shards">In exact mode the rank's shards, each of which is a slice in memory of its own; null otherwise.</param>
/// <param name="isAhead">
/// Whether slices are prepared ahead. A thread that has no core of its own takes turns with one that computes, and whoever
/// waits for that one in a step's sum waits for both.
/// </param>
public sealed class BatchLoader(
    SampleSet set, int batch, int rank, IReadOnlyList<int> shares, ulong seed, IReadOnlyList<Augmentation> augmentations, int maxSlice,
    ShardDeal? shards = null, bool isAhead = true)
{
    private const int BatchesAhead = 2;

    private readonly RandomKey[][] keys =
    [
        .. set.Inputs.Select((_, input) => augmentations
            .Select((augmentation, place) => AugmentationDraws.KeyOf(seed, augmentation.Name, place, input)).ToArray()),
    ];

    private readonly BatchMemory memory = new(set);

    private readonly (int Start, int Count)[] wholeSlices = SlicesOf(Math.Min(batch, set.Count), rank, shares, shards);

    /// <summary>Global batches in an epoch.</summary>
    public int Steps { get; } = (int)(((long)set.Count + batch - 1) / batch);

    /// <summary>Slices of each global batch, one after the other: this rank's shards in exact mode, and else one.</summary>
    public int Parts { get; } = shards?.Own.Count ?? 1;

    /// <summary>This rank's slices of an epoch's shuffled, augmented batches.</summary>
    /// <param name="epoch">Chooses the order and the augmentations' random numbers.</param>
    /// <param name="skipSteps">Batches at the beginning to leave out, as when an interrupted epoch goes on.</param>
    public IEnumerable<Batch> TrainEpoch(int epoch, int skipSteps) => InTime($"batches of epoch {epoch}", PrepareEpoch(epoch, skipSteps));

    /// <summary>This rank's slices of the batches in the set's order, not augmented.</summary>
    public IEnumerable<Batch> InOrder() =>
        InTime("batches in order", Prepare(() => [.. Enumerable.Range(0, set.Count)], 0, epoch: null));

    private IEnumerable<Batch> InTime(string threadName, IEnumerable<Batch> batches) =>
        isAhead ? Prefetch.Run(threadName, BatchesAhead * Parts, batches) : batches;

    /// <summary>What <see cref="TrainEpoch"/> gives.</summary>
    internal IEnumerable<Batch> PrepareEpoch(int epoch, int skipSteps) =>
        Prepare(() => SampleOrder.OfEpoch(seed, epoch, set.Count), skipSteps, epoch);

    private IEnumerable<Batch> Prepare(Func<int[]> makeOrder, int skipSteps, int? epoch)
    {
        var order = makeOrder();
        for (var step = skipSteps; step < Steps; step++)
        {
            var first = step * batch;
            var globalCount = Math.Min(batch, order.Length - first);
            foreach (var (start, count) in globalCount == batch ? wholeSlices : SlicesOf(globalCount, rank, shares, shards))
            {
                if (count > maxSlice) throw new InvalidOperationException($"a slice of {count} samples is longer than {maxSlice}");
                yield return Gather(order.AsSpan(first + start, count), epoch, globalCount, start);
            }
        }
    }

    private static (int Start, int Count)[] SlicesOf(int samples, int rank, IReadOnlyList<int> shares, ShardDeal? shards) =>
        shards is null ? [Slices.Of(samples, rank, shares)] : [.. shards.SlicesOf(samples)];

    private Batch Gather(ReadOnlySpan<int> samples, int? epoch, int globalCount, int start)
    {
        using var gathering = Trace.Span("gather");
        var gathered = memory.Rent(globalCount, start, samples.Length);
        for (var input = 0; input < set.Inputs.Count; input++)
        {
            GatherInput(input, samples, epoch, TensorMemory.Span<float>(gathered.Inputs[input]));
        }

        for (var target = 0; target < set.Targets.Count; target++)
        {
            set.Targets[target].Gather(samples, gathered.Targets[target]);
        }

        return gathered;
    }

    private void GatherInput(int input, ReadOnlySpan<int> samples, int? epoch, Span<float> pixels)
    {
        var (shape, source) = set.Inputs[input];
        for (var i = 0; i < samples.Length; i++)
        {
            var sample = samples[i];
            if (i + 1 < samples.Length) UnitPixels.Expect(source.AsSpan(samples[i + 1] * shape.Size, shape.Size));
            var destination = pixels.Slice(i * shape.Size, shape.Size);
            UnitPixels.From(source.AsSpan(sample * shape.Size, shape.Size), destination);
            if (epoch is { } number) Augment(shape, keys[input], CounterRandom.Row(number, sample), destination);
        }
    }

    private void Augment(SampleShape shape, RandomKey[] inputKeys, ulong row, Span<float> pixels)
    {
        if (augmentations.Count == 0) return;
        var scratch = ArrayPool<float>.Shared.Rent(shape.Size);
        for (var place = 0; place < augmentations.Count; place++)
        {
            pixels.CopyTo(scratch);
            augmentations[place].Apply(shape, new AugmentationDraws(inputKeys[place], row), scratch.AsSpan(0, shape.Size), pixels);
        }

        ArrayPool<float>.Shared.Return(scratch);
    }
}
