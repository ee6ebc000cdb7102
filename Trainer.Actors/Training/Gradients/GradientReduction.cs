using CnnCluster.Kernels;
using CnnCluster.Kernels.Arena;
using CnnCluster.Kernels.Collectives;
using CnnCluster.Kernels.Layers;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Training.Gradients;

/// <summary>
/// Sums the workers' gradients bucket by bucket, each from when backward has completed it. The sums' bits are those of one
/// sum of all: an element's summands are added in the same order wherever it lies.
/// </summary>
internal sealed class GradientReduction : IDisposable
{
    private readonly ICollective collective;
    private readonly ParameterArena arena;
    private readonly IReadOnlyList<GradientBucket> buckets;
    private readonly List<Tensor> stretches;
    private readonly List<ErrorFeedback> feedbacks;
    private readonly CollectiveWork[] sums;
    private readonly CollectiveWork sumExtras;
    private int started;

    /// <param name="collective">Joins the workers.</param>
    /// <param name="arena">The gradients, and the extras behind them, which travel with the last bucket.</param>
    /// <param name="buckets">All gradients, in the order in which they are complete.</param>
    /// <param name="wire">What gradients become between workers; null for what they are. Extras stay what they are.</param>
    public GradientReduction(ICollective collective, ParameterArena arena, IReadOnlyList<GradientBucket> buckets, WireFormat? wire)
    {
        (this.collective, this.arena, this.buckets) = (collective, arena, buckets);
        Marks = new GradientMarks(buckets.Select(static bucket => bucket.Mark).Where(static mark => mark != GradientBucket.AtEnd).ToHashSet(), StartUpTo);
        stretches = [.. buckets.Select(bucket => arena.Gradients.narrow(0, bucket.Start, bucket.Length).DetachFromDisposeScope())];
        sums = [.. buckets.Select((_, bucket) => new CollectiveWork(peers => Sum(peers, bucket)))];
        sumExtras = new CollectiveWork(peers => peers.AllReduceSum(arena.Extras));
        feedbacks = wire is { } format ? [.. buckets.Select(bucket => collective.NewFeedback(format, checked((int)bucket.Length)))] : [];
    }

    /// <summary>Where backward says that a bucket is complete.</summary>
    public GradientMarks Marks { get; }

    /// <summary>Sums what was not started yet; when it returns, all is summed.</summary>
    /// <exception cref="CollectiveException">A peer is gone or late.</exception>
    public void Complete()
    {
        if (buckets.Count == 1 && feedbacks.Count == 0)
        {
            collective.AllReduceSum(arena.ReductionBuffer);
            return;
        }

        StartUpTo(GradientBucket.AtEnd);
        collective.Start(sumExtras);
        started = 0;
        Await();
    }

    /// <summary>What rounding has left over counts from now on: the step has been applied.</summary>
    public void Applied() => feedbacks.ForEach(static feedback => feedback.Commit());

    /// <summary>Forgets what rounding has left over.</summary>
    public void Forget() => feedbacks.ForEach(static feedback => feedback.Reset());

    public void Dispose() => stretches.ForEach(static stretch => stretch.Dispose());

    /// <summary>Starts the sums of what backward has completed when it has come to a place: the same on every worker.</summary>
    private void StartUpTo(int place)
    {
        while (started < buckets.Count && buckets[started].Mark >= place)
        {
            collective.Start(sums[started]);
            started++;
        }
    }

    private void Sum(ICollective peers, int bucket)
    {
        if (feedbacks.Count == 0) peers.AllReduceSum(stretches[bucket]);
        else peers.AllReduceRounded(stretches[bucket], feedbacks[bucket]);
    }

    /// <summary>Until all have ended the gradients are theirs, also where one has failed; then the others do too, at once.</summary>
    private void Await()
    {
        CollectiveException? failure = null;
        foreach (var work in sums)
        {
            failure ??= FailureOf(work);
        }

        failure ??= FailureOf(sumExtras);
        if (failure is not null) throw new CollectiveException(failure.Message, failure.Peer, failure);
    }

    private static CollectiveException? FailureOf(CollectiveWork work)
    {
        try
        {
            work.Wait();
            return null;
        }
        catch (CollectiveException e)
        {
            return e;
        }
    }
}
