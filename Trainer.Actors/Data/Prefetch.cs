using System.Diagnostics.CodeAnalysis;
using System.Runtime.ExceptionServices;
using CnnCluster.Kernels.Tracing;

namespace CnnCluster.Trainer.Data;

/// <summary>Prepares the items of a sequence ahead of their use, on a thread of its own.</summary>
internal static class Prefetch
{
    /// <summary>
    /// The items of <paramref name="source"/>, up to <paramref name="ahead"/> of which wait ready. What the source throws
    /// is thrown to the consumer after the items in front of it; leaving the enumeration ends the thread.
    /// </summary>
    public static IEnumerable<T> Run<T>(string threadName, int ahead, IEnumerable<T> source)
    {
        var ready = new ReadyItems<T>(ahead);
        ExceptionDispatchInfo? failure = null;
        var track = Trace.Current?.Loader;
        var thread = new Thread(() => failure = Produce(source, ready, track)) { IsBackground = true, Name = threadName };
        thread.Start();
        try
        {
            while (TryTake(ready, out var item))
            {
                yield return item;
            }
        }
        finally
        {
            // The thread is at most one item away from noticing, and what it uses may be disposed of next.
            ready.Leave();
            thread.Join();
        }

        failure?.Throw();
    }

    /// <summary>The next item, when it is ready; false when there is none any more.</summary>
    private static bool TryTake<T>(ReadyItems<T> ready, [MaybeNullWhen(false)] out T item)
    {
        using var waiting = Trace.Span("wait for data");
        return ready.TryTake(out item);
    }

    private static ExceptionDispatchInfo? Produce<T>(IEnumerable<T> source, ReadyItems<T> ready, TraceTrack? track)
    {
        Trace.Attach(track);
        try
        {
            foreach (var item in source)
            {
                if (!ready.Put(item)) break;
            }

            return null;
        }
        catch (Exception e)
        {
            return ExceptionDispatchInfo.Capture(e);
        }
        finally
        {
            ready.Complete();
            track?.Flush();
        }
    }
}
