using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

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
        using var ready = new BlockingCollection<T>(ahead);
        using var left = new CancellationTokenSource();
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() => failure = Produce(source, ready, left.Token)) { IsBackground = true, Name = threadName };
        thread.Start();
        try
        {
            foreach (var item in ready.GetConsumingEnumerable())
            {
                yield return item;
            }
        }
        finally
        {
            // The thread is at most one item away from noticing, and it uses what is disposed of next.
            left.Cancel();
            thread.Join();
        }

        failure?.Throw();
    }

    private static ExceptionDispatchInfo? Produce<T>(IEnumerable<T> source, BlockingCollection<T> ready, CancellationToken left)
    {
        try
        {
            foreach (var item in source)
            {
                ready.Add(item, left);
            }

            return null;
        }
        catch (OperationCanceledException) when (left.IsCancellationRequested)
        {
            return null;
        }
        catch (Exception e)
        {
            return ExceptionDispatchInfo.Capture(e);
        }
        finally
        {
            ready.CompleteAdding();
        }
    }
}
