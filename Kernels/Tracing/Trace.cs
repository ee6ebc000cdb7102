namespace CnnCluster.Kernels.Tracing;

/// <summary>
/// Says where a thread's time goes: <c>using (Trace.Span("forward")) …</c>. A thread without a track records nothing,
/// and pays for a look at a thread-local field.
/// </summary>
public static class Trace
{
    [ThreadStatic]
    private static TraceTrack? current;

    /// <summary>Where this thread's spans go; null for nowhere.</summary>
    public static TraceTrack? Current => current;

    /// <summary>Gives this thread a track, or takes it away.</summary>
    public static void Attach(TraceTrack? track) => current = track;

    /// <summary>A stretch of work within a step, from now until it is disposed; recorded for the first steps of a run.</summary>
    /// <param name="name">What is done.</param>
    /// <param name="category">What kind of work it is: <see cref="TraceCategory"/>.</param>
    public static TraceSpan Span(string name, string category = TraceCategory.Step) =>
        new(current is { IsDetailed: true } ? current : null, name, category);

    /// <summary>A stretch of work that an epoch has once; recorded to the end of a run.</summary>
    public static TraceSpan Phase(string name) => new(current, name, TraceCategory.Phase);

    /// <summary>Says which step this thread's next spans are part of, both from 1.</summary>
    public static void At(int epoch, long step) => current?.At(epoch, step);
}

/// <summary>What kinds of work a trace tells apart.</summary>
public static class TraceCategory
{
    /// <summary>A step and its parts.</summary>
    public const string Step = "step";

    /// <summary>A layer's forward pass.</summary>
    public const string Layer = "layer";

    /// <summary>A layer's backward pass.</summary>
    public const string Backward = "layer backward";

    /// <summary>What an epoch has once.</summary>
    public const string Phase = "phase";
}
