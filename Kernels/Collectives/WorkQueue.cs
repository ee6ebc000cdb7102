using CnnCluster.Kernels.Tracing;
using TorchSharp;

namespace CnnCluster.Kernels.Collectives;

/// <summary>The thread that runs a collective's started operations, one after the other; there is none until one is started.</summary>
internal sealed class WorkQueue(ICollective collective)
{
    private readonly Queue<CollectiveWork> waiting = [];
    private readonly object gate = new();
    private Thread? thread;
    private TraceTrack? track;
    private int unfinished;
    private bool closed;

    /// <summary>Whether an operation may run on the caller's thread at once: nothing is before it, or it is part of what runs.</summary>
    public bool IsFree => Volatile.Read(ref unfinished) == 0 || Thread.CurrentThread == thread;

    /// <exception cref="InvalidOperationException">The work was started and has not ended.</exception>
    public void Add(CollectiveWork work)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(closed, collective);
            work.Begin();
            Interlocked.Increment(ref unfinished);
            waiting.Enqueue(work);
            Monitor.Pulse(gate);
            if (thread is null)
            {
                track = Trace.Current?.Collective;
                thread = new Thread(Run) { IsBackground = true, Name = $"collective of rank {collective.Rank}" };
                thread.Start();
            }
        }
    }

    /// <summary>Ends the thread when everything that was started has ended; the collective has failed, so that is soon.</summary>
    public void Close()
    {
        lock (gate)
        {
            closed = true;
            Monitor.Pulse(gate);
        }

        if (thread != Thread.CurrentThread) thread?.Join();
    }

    private void Run()
    {
        Trace.Attach(track);
        while (Next() is { } work)
        {
            using (Trace.Span("collective"))
            using (torch.NewDisposeScope())
            {
                work.Run(collective);
            }

            Interlocked.Decrement(ref unfinished);
            work.Complete();
        }
    }

    private CollectiveWork? Next()
    {
        lock (gate)
        {
            while (waiting.Count == 0 && !closed)
            {
                Monitor.Wait(gate);
            }

            return waiting.TryDequeue(out var work) ? work : null;
        }
    }
}
