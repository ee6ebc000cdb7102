using System.Runtime.ExceptionServices;

namespace CnnCluster.Kernels.Collectives;

/// <summary>Operations that are started, once or again and again: they run behind those started before them.</summary>
/// <param name="operations">Calls operations of the collective that it is given; the same ones on every rank.</param>
public sealed class CollectiveWork(Action<ICollective> operations)
{
    private readonly object gate = new();
    private ExceptionDispatchInfo? failure;
    private bool isDone = true;

    /// <summary>Whether they have ended, well or not, or were not started yet.</summary>
    public bool IsDone
    {
        get
        {
            lock (gate) return isDone;
        }
    }

    /// <summary>Returns when the operations have ended, which they do in bounded time.</summary>
    /// <exception cref="CollectiveException">They failed, or the collective did before.</exception>
    public void Wait() => Wait(Timeout.InfiniteTimeSpan);

    /// <summary>The same for a limited time.</summary>
    /// <returns>Whether they have ended.</returns>
    /// <exception cref="CollectiveException">They failed, or the collective did before.</exception>
    public bool Wait(TimeSpan limit)
    {
        lock (gate)
        {
            // One pulse alone ever comes: a wait that ends without it has lasted to its limit.
            if (!isDone && !Monitor.Wait(gate, limit)) return false;
        }

        failure?.Throw();
        return true;
    }

    /// <exception cref="InvalidOperationException">They were started and have not ended.</exception>
    internal void Begin()
    {
        lock (gate)
        {
            if (!isDone) throw new InvalidOperationException("These operations were started and have not ended.");
            isDone = false;
            failure = null;
        }
    }

    /// <summary>Runs them; whatever they throw waits for <see cref="Wait()"/>.</summary>
    internal void Run(ICollective collective)
    {
        try
        {
            operations(collective);
        }
#pragma warning disable CA1031 // It is thrown where the work is waited for.
        catch (Exception e)
#pragma warning restore CA1031
        {
            failure = ExceptionDispatchInfo.Capture(e);
        }
    }

    internal void Complete()
    {
        lock (gate)
        {
            isDone = true;
            Monitor.PulseAll(gate);
        }
    }
}
