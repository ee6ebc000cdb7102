namespace CnnCluster.Kernels.Collectives;

/// <summary>What the ranks of one process share: each other's buffers, and a barrier that waits no longer than agreed.</summary>
public sealed class InProcessGroup
{
    private readonly object gate = new();
    private readonly ManualResetEventSlim[] turns = [new(), new()];
    private readonly TimeSpan patience;
    private volatile int phase;
    private int arrived;
    private int working;
    private volatile string? failure;

    /// <param name="world">How many ranks.</param>
    /// <param name="patience">How long a rank waits for the others in one operation.</param>
    public InProcessGroup(WorldSize world, TimeSpan patience)
    {
        World = world;
        this.patience = patience;
        Buffers = new nint[world.Value];
        Lengths = new long[world.Value];
        Nodes = new nint[world.Value];
        Leaves = new LeafRange[world.Value];
        TotalLeaves = new int[world.Value];
    }

    public WorldSize World { get; }

    /// <summary>Each rank's buffer in the operation under way.</summary>
    internal nint[] Buffers { get; }

    /// <summary>Their lengths in bytes.</summary>
    internal long[] Lengths { get; }

    /// <summary>In a sum: where each rank's rows of summed leaves begin, each as long as its buffer.</summary>
    internal nint[] Nodes { get; }

    /// <summary>In a sum: each rank's leaves.</summary>
    internal LeafRange[] Leaves { get; }

    /// <summary>In a sum: how many leaves each rank thinks there are.</summary>
    internal int[] TotalLeaves { get; }

    /// <summary>One collective for each rank, in rank order.</summary>
    public IReadOnlyList<ICollective> Collectives() => [.. World.Ranks.Select(rank => new InProcessCollective(this, rank))];

    /// <summary>Makes every rank's operation fail, now and later.</summary>
    internal void Fail(string reason)
    {
        lock (gate)
        {
            failure ??= reason;
            turns[0].Set();
            turns[1].Set();
        }
    }

    /// <summary>Runs what touches other ranks' buffers, none of which leaves its operation meanwhile.</summary>
    /// <exception cref="CollectiveException">A rank has failed; nothing was touched.</exception>
    internal void Work(Action work)
    {
        lock (gate)
        {
            ThrowIfFailed();
            working++;
        }

        try
        {
            work();
        }
        finally
        {
            lock (gate)
            {
                working--;
                Monitor.PulseAll(gate);
            }
        }
    }

    /// <summary>Returns when all ranks have come.</summary>
    /// <exception cref="CollectiveException">A rank failed, or did not come in time.</exception>
    internal void Meet()
    {
        ThrowIfFailed();
        ManualResetEventSlim turn;
        lock (gate)
        {
            turn = turns[phase & 1];
            if (++arrived == World.Value)
            {
                // The other phase's gate closes before this one opens: no rank can be two phases ahead.
                arrived = 0;
                turns[(phase + 1) & 1].Reset();
                phase++;
                turn.Set();
                return;
            }
        }

        if (!turn.Wait(patience))
        {
            Fail($"a rank did not come within {patience.TotalSeconds:0.#} s");
        }

        ThrowIfFailed();
    }

    /// <exception cref="CollectiveException">A rank has failed; no other rank touches this one's buffer any more.</exception>
    internal void ThrowIfFailed()
    {
        if (failure is { } reason)
        {
            AwaitWorkers();
            throw new CollectiveException(reason);
        }
    }

    /// <summary>
    /// A rank that leaves with an error may free its buffer, so the ranks that still work on it are waited for: they only
    /// move memory, and after a failure none begins.
    /// </summary>
    private void AwaitWorkers()
    {
        lock (gate)
        {
            while (working > 0)
            {
                Monitor.Wait(gate);
            }
        }
    }
}
