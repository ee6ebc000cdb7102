using System.Diagnostics;

namespace CnnCluster.Kernels.Tracing;

/// <summary>A stretch of work that ends when it is disposed. Spans of one thread nest.</summary>
public readonly struct TraceSpan : IDisposable
{
    private readonly TraceTrack? track;
    private readonly string name;
    private readonly string category;
    private readonly long start;

    internal TraceSpan(TraceTrack? track, string name, string category)
    {
        this.track = track;
        this.name = name;
        this.category = category;
        start = track is null ? 0 : Stopwatch.GetTimestamp();
    }

    public void Dispose() => track?.Add(name, category, start, Stopwatch.GetTimestamp());
}
