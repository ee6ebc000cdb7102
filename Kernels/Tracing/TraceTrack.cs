namespace CnnCluster.Kernels.Tracing;

/// <summary>A span that has ended.</summary>
/// <param name="Name">What was done.</param>
/// <param name="Category">Of <see cref="TraceCategory"/>.</param>
/// <param name="Start">In ticks of <see cref="System.Diagnostics.Stopwatch"/>.</param>
/// <param name="End">Likewise.</param>
/// <param name="Epoch">From 1; 0 outside any.</param>
/// <param name="Step">From 1; 0 before any.</param>
public readonly record struct TraceEvent(string Name, string Category, long Start, long End, int Epoch, long Step);

/// <summary>One thread's spans. They are kept until there are many, and then handed on at once.</summary>
/// <param name="limit">The last step whose parts are recorded.</param>
/// <param name="full">Takes the spans, in the order of their ends; the array is used again.</param>
/// <param name="leader">The track of the thread that this one works for, and is at the same step with; null for none.</param>
public sealed class TraceTrack(long limit, Action<ArraySegment<TraceEvent>> full, TraceTrack? leader = null)
{
    private const int Capacity = 4096;
    private readonly Lock gate = new();
    private readonly TraceEvent[] events = new TraceEvent[Capacity];
    private int count;
    private int epoch;
    private long step;

    /// <summary>Whether parts of steps are recorded: the first steps of a run show what the later ones are like.</summary>
    public bool IsDetailed => (leader ?? this).step <= limit;

    /// <summary>The track of the thread that prepares this one's data; null where nothing is prepared.</summary>
    public TraceTrack? Loader { get; set; }

    /// <summary>The track of the thread on which this one's collective does what was started; null where nobody records it.</summary>
    public TraceTrack? Collective { get; set; }

    public void At(int nextEpoch, long nextStep) => (epoch, step) = (nextEpoch, nextStep);

    /// <summary>Hands on what is left; from any thread.</summary>
    public void Flush()
    {
        lock (gate)
        {
            if (count > 0) full(new ArraySegment<TraceEvent>(events, 0, count));
            count = 0;
        }
    }

    internal void Add(string name, string category, long start, long end)
    {
        lock (gate)
        {
            var position = leader ?? this;
            events[count++] = new TraceEvent(name, category, start, end, position.epoch, position.step);
            if (count == Capacity) Flush();
        }
    }
}
