namespace CnnCluster.Kernels.Collectives;

/// <summary>What the ranks of one process share: each other's buffers, and a barrier that waits no longer than agreed.</summary>
public sealed class InProcessGroup
{
    /// <summary>The gates' own way of waiting gives a core away that nobody else needs.</summary>
    private const int NoSpin = 0;
    private readonly object gate = new();
    private readonly ManualResetEventSlim[] turns = [new(false, NoSpin), new(false, NoSpin)];
    private readonly Entry[] entries;
    private readonly TimeSpan patience;
    private readonly long lookingTicks;
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
        lookingTicks = LookingAgain.TicksOf(world.Value);
        entries = new Entry[world.Value];
    }

    public WorldSize World { get; }

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

    /// <summary>Shows the other ranks what one brings to the operation under way.</summary>
    internal void Show(Rank rank, Entry entry) => entries[rank.Value] = entry;

    /// <summary>What a rank brings to the operation under way.</summary>
    internal Entry Entry(int rank) => entries[rank];

    internal unsafe Span<T> Input<T>(int rank, int length)
        where T : unmanaged => new((void*)entries[rank].Input, length);

    internal unsafe Span<T> Output<T>(int rank, int length)
        where T : unmanaged => new((void*)entries[rank].Output, length);

    /// <exception cref="CollectiveException">The ranks have entered different operations, or with different lengths.</exception>
    internal void ThrowIfDifferent()
    {
        foreach (var entry in entries)
        {
            if (entry.IsOfOneOperationWith(entries[0])) continue;
            Fail($"the ranks entered different operations: {string.Join(", ", entries)}");
            ThrowIfFailed();
        }
    }

    /// <summary>While it is not disposed of, other ranks' memory may be touched: none leaves its operation.</summary>
    /// <exception cref="CollectiveException">A rank has failed; nothing may be touched.</exception>
    internal WorkingRank Working()
    {
        lock (gate)
        {
            ThrowIfFailed();
            working++;
        }

        return new WorkingRank(this);
    }

    /// <summary>Returns when all ranks have come.</summary>
    /// <exception cref="CollectiveException">A rank failed, or did not come in time.</exception>
    internal void Meet()
    {
        ThrowIfFailed();
        ManualResetEventSlim turn;
        int own;
        lock (gate)
        {
            own = phase;
            turn = turns[own & 1];
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

        var looking = new LookingAgain(lookingTicks);
        while (!turn.IsSet && looking.Again())
        {
        }

        var hasTurned = turn.Wait(patience);

        // All have come: what one that has left since then did is no failure of what they met for.
        if (phase != own) return;
        if (!hasTurned) Fail($"a rank did not come within {patience.TotalSeconds:0.#} s");
        ThrowIfFailed();
    }

    /// <exception cref="CollectiveException">A rank has failed.</exception>
    internal void ThrowIfFailed()
    {
        if (failure is { } reason) throw new CollectiveException(reason);
    }

    /// <summary>
    /// A rank that leaves with an error may free its buffer, so the ranks that still work on it are waited for: they only
    /// move memory, and after a failure none begins.
    /// </summary>
    internal void AwaitWorkers()
    {
        lock (gate)
        {
            while (working > 0)
            {
                Monitor.Wait(gate);
            }
        }
    }

    private void StopWorking()
    {
        lock (gate)
        {
            working--;
            Monitor.PulseAll(gate);
        }
    }

    internal readonly ref struct WorkingRank(InProcessGroup group)
    {
        public void Dispose() => group.StopWorking();
    }
}
