using BenchmarkDotNet.Attributes;
using CnnCluster.Kernels.Tracing;

namespace CnnCluster.Bench.Kernels;

/// <summary>What a span costs, without a trace and with one.</summary>
public class TraceBench
{
    private const int Spans = 1000;

    [Benchmark(OperationsPerInvoke = Spans, Baseline = true)]
    public void Untraced()
    {
        Trace.Attach(null);
        Record();
    }

    [Benchmark(OperationsPerInvoke = Spans)]
    public void Traced()
    {
        Trace.Attach(new TraceTrack(long.MaxValue, static _ => { }));
        Record();
        Trace.Attach(null);
    }

    private static void Record()
    {
        for (var i = 0; i < Spans; i++)
        {
            using var span = Trace.Span("part");
        }
    }
}
