using System.Diagnostics;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Collectives;
using static TorchSharp.torch;

namespace CnnCluster.Bench.Scale.Measuring;

/// <summary>Times one operation on one rank, which all ranks do at once.</summary>
/// <remarks>Buffers are ordinary memory: that gradients of one host can be read where they lie is not in the model.</remarks>
internal sealed class OperationLoop : IDisposable
{
    private const double StretchSeconds = 0.06;
    private const double QuickSeconds = 0.01;
    private const int Stretches = 5;
    private const int WarmUp = 3;
    private readonly ICollective collective;
    private readonly MeasuredOperation operation;
    private readonly int elements;
    private readonly Tensor whole;
    private readonly Tensor part;
    private readonly Action run;

    /// <param name="collective">This rank's.</param>
    /// <param name="operation">What is timed.</param>
    /// <param name="elements">Of the whole buffer.</param>
    public OperationLoop(ICollective collective, MeasuredOperation operation, int elements)
    {
        (this.collective, this.operation, this.elements) = (collective, operation, elements);
        var lengths = collective.WorldSize.Ranks.Select(rank => Chunks.Of(rank.Value, collective.WorldSize.Value, elements).Length).ToArray();

        // Written, so that the pages are real ones; zeros stay zeros however often they are summed. A tensor that nothing holds may be
        // collected while it is written.
        (whole, part) = (zeros(elements), zeros(lengths[collective.Rank.Value]));
        whole.zero_();
        part.zero_();
        run = Operation(lengths);
    }

    /// <summary>The point as this rank sees it; the first rank says how often, for all.</summary>
    public LinkPoint Measure(LinkKind link, bool quick)
    {
        Time(WarmUp);
        using var rounds = tensor(new[] { Math.Max(1, Math.Ceiling((quick ? QuickSeconds : StretchSeconds) / Time(WarmUp))) });
        collective.Broadcast(rounds, new Rank(0));
        var times = Enumerable.Range(0, Stretches).Select(_ => Time((int)rounds.item<double>())).ToList();
        return new LinkPoint(
            link, collective.WorldSize.Value, operation, (long)elements * sizeof(float), Median.Of(times), times.Min(), times.Max());
    }

    public void Dispose()
    {
        whole.Dispose();
        part.Dispose();
    }

    private double Time(int rounds)
    {
        collective.Barrier();
        var started = Stopwatch.GetTimestamp();
        for (var round = 0; round < rounds; round++)
        {
            run();
        }

        return Stopwatch.GetElapsedTime(started).TotalSeconds / rounds;
    }

    private Action Operation(int[] lengths)
    {
        switch (operation)
        {
            case MeasuredOperation.AllReduce:
                return () => collective.AllReduceSum(whole);
            case MeasuredOperation.Rounded:
                var feedback = collective.NewFeedback(WireFormat.BFloat16, elements);
                return () => collective.AllReduceRounded(whole, feedback);
            case MeasuredOperation.ReduceScatter:
                return () => collective.ReduceScatterSum(whole, part);
            case MeasuredOperation.AllGather:
                return () => collective.AllGather(part, lengths, whole);
            default:
                return collective.Barrier;
        }
    }
}
