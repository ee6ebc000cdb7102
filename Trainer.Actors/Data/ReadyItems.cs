using System.Diagnostics.CodeAnalysis;

namespace CnnCluster.Trainer.Data;

/// <summary>
/// Items on their way from one thread to another. Who waits sleeps at once: a collection that looks again for a while first,
/// as .NET's do, takes the core from a worker that computes.
/// </summary>
/// <param name="capacity">How many items wait at most, at least 1.</param>
internal sealed class ReadyItems<T>(int capacity)
{
    private readonly object gate = new();
    private readonly Queue<T> items = new(capacity);
    private bool isComplete;
    private bool isLeft;

    /// <summary>Waits for room and adds an item; false when nobody takes any more.</summary>
    public bool Put(T item)
    {
        lock (gate)
        {
            while (items.Count == capacity && !isLeft)
            {
                Monitor.Wait(gate);
            }

            if (isLeft) return false;
            items.Enqueue(item);
            Monitor.Pulse(gate);
            return true;
        }
    }

    /// <summary>Waits for the next item; false when none comes any more.</summary>
    public bool TryTake([MaybeNullWhen(false)] out T item)
    {
        lock (gate)
        {
            while (items.Count == 0 && !isComplete)
            {
                Monitor.Wait(gate);
            }

            Monitor.Pulse(gate);
            return items.TryDequeue(out item);
        }
    }

    /// <summary>No item comes any more.</summary>
    public void Complete()
    {
        lock (gate)
        {
            isComplete = true;
            Monitor.Pulse(gate);
        }
    }

    /// <summary>Nobody takes any more.</summary>
    public void Leave()
    {
        lock (gate)
        {
            isLeft = true;
            Monitor.Pulse(gate);
        }
    }
}
