using System.Numerics;
using CnnCluster.Kernels.Arena;
using CnnCluster.Kernels.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// What all collectives have in common: the queue of started operations, failure, and the way from tensors of any
/// device and either type to elements in memory. How ranks exchange these is the derived class's.
/// </summary>
public abstract partial class Collective : ICollective
{
    /// <summary>What a rank tells of its leaves: the first, the one past the last, and how many there are in all.</summary>
    private const int DealWords = 3;

    private readonly WorkQueue queue;
    private readonly object gate = new();
    private readonly RoundedSum rounded = new();
    private readonly int[] dealWords;
    private readonly LeafRange[] dealt;
    private readonly int[] totals;
    private LeafDeal deal;
    private bool isOperating;
    private volatile CollectiveException? failure;

    private protected Collective(Rank rank, WorldSize world)
    {
        Rank = rank;
        WorldSize = world;
        queue = new WorkQueue(this);
        OneEach = deal = LeafDeal.OneEach(world);
        dealWords = [.. Enumerable.Repeat(DealWords, world.Value)];
        dealt = new LeafRange[world.Value];
        totals = new int[world.Value];
    }

    public Rank Rank { get; }

    public WorldSize WorldSize { get; }

    public virtual bool SpansHosts => false;

    public abstract CollectiveTransport Transport { get; }

    /// <summary>One leaf for each rank.</summary>
    internal LeafDeal OneEach { get; }

    public void AllReduceSum(Tensor buffer) =>
        Run(buffer, static (c, b) => c.Reduce(c.OneEach, b, b, Reduction.Sum));

    public void AllReduceRounded(Tensor buffer, ErrorFeedback feedback)
    {
        feedback.Check(buffer);
        Run((buffer, feedback), static (c, sum) => c.ReduceRounded(sum.buffer, sum.feedback));
    }

    public virtual ErrorFeedback NewFeedback(WireFormat format, int length) =>
        new(format, length, length, Chunks.Of(Rank.Value, WorldSize.Value, length).Length);

    public void AllReduceMax(Tensor buffer) =>
        Run(buffer, static (c, b) => c.Reduce(c.OneEach, b, b, Reduction.Max));

    public void AllReduceMean(Tensor buffer, double weight)
    {
        if (!double.IsFinite(weight) || weight < 0) throw new ArgumentException($"A weight is finite and not negative; this is {weight}.", nameof(weight));
        Run((buffer, weight), static (c, mean) => c.Mean(mean.buffer, mean.weight));
    }

    public void AllReduceTree(Tensor nodes, LeafRange leaves, int totalLeaves, Tensor result)
    {
        LeafRows.Check(nodes, leaves, totalLeaves, result);
        Run((nodes, leaves, totalLeaves, result), static (c, tree) =>
        {
            c.Deal(tree.leaves, tree.totalLeaves);
            c.Reduce(c.deal, tree.nodes, tree.result, Reduction.Sum);
        });
    }

    public void ReduceScatterSum(Tensor buffer, Tensor part)
    {
        var due = Chunks.Of(Rank.Value, WorldSize.Value, checked((int)buffer.numel())).Length;
        Shapes.Check(part, due, buffer, nameof(part));
        Run((buffer, part), static (c, scatter) => c.Scatter(scatter.buffer, scatter.part));
    }

    public void AllGather(Tensor part, IReadOnlyList<int> lengths, Tensor whole)
    {
        if (lengths.Count != WorldSize.Value) throw new ArgumentException($"There are {WorldSize} ranks, but {lengths.Count} lengths.", nameof(lengths));
        Shapes.Check(part, lengths[Rank.Value], whole, nameof(part));
        Shapes.Check(whole, lengths.Sum(static length => (long)length), part, nameof(whole));
        Run((part, lengths, whole), static (c, all) => c.Gather(all.part, all.lengths, all.whole));
    }

    public void Broadcast(Tensor buffer, Rank root)
    {
        if (root.Value < 0 || root.Value >= WorldSize.Value) throw new ArgumentOutOfRangeException(nameof(root), $"There is no rank {root} among {WorldSize}.");
        Run((buffer, root), static (c, sent) => c.Spread(sent.buffer, sent.root));
    }

    public void Barrier() => Run(0, static (c, _) => c.Meet());

    public void Adopt(FlatBuffer buffer) =>
        Run(buffer, static (c, b) => c.Adopt(b.Memory, b.Whole.numel() * b.Whole.ElementSize));

    public CollectiveWork Start(Action<ICollective> operations)
    {
        var work = new CollectiveWork(operations);
        queue.Add(work);
        return work;
    }

    public void Start(CollectiveWork work) => queue.Add(work);

    public void Abort(string reason)
    {
        failure ??= new CollectiveException(reason);
        Break(reason);
    }

    public void Dispose()
    {
        Abort("the collective was closed");
        queue.Close();
        AwaitOperation();
        Release();
        rounded.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Sums, or compares, all ranks' rows along the tree of their leaves.</summary>
    /// <param name="leaves">Which leaves the ranks' rows are.</param>
    /// <param name="rows">This rank's rows, each as long as the result.</param>
    /// <param name="result">May be one of the rows.</param>
    /// <param name="reduction">What is made of two elements.</param>
    internal abstract void Reduce<T>(LeafDeal leaves, Span<T> rows, Span<T> result, Reduction reduction)
        where T : unmanaged, INumber<T>;

    /// <summary>This rank's chunk of the ranks' sum.</summary>
    internal abstract void ReduceScatter<T>(Span<T> buffer, Span<T> part)
        where T : unmanaged, INumber<T>;

    /// <summary>Gives each rank its chunk of every rank's buffer.</summary>
    /// <param name="buffer">This rank's chunks, for all.</param>
    /// <param name="parts">Receives this rank's chunks of all, one behind the other in rank order.</param>
    internal abstract void Deliver<T>(Span<T> buffer, Span<T> parts)
        where T : unmanaged;

    internal abstract void AllGather<T>(Span<T> part, IReadOnlyList<int> lengths, Span<T> whole)
        where T : unmanaged;

    internal abstract void Broadcast<T>(Span<T> buffer, Rank root)
        where T : unmanaged;

    internal abstract void Meet();

    /// <summary>The sum of what all ranks round to 16 bits.</summary>
    internal virtual void ReduceRounded(Span<float> values, ErrorFeedback feedback)
    {
        var lengths = rounded.Chunks(WorldSize.Value, feedback.Length);
        var own = lengths[Rank.Value];
        var whole = rounded.Whole(values.Length);
        var parts = rounded.Parts(WorldSize.Value, own);
        feedback.RoundSummands(values, whole);
        Deliver(whole, parts);
        feedback.RoundSums(rounded.Sum(OneEach, feedback.Format, parts, own), parts[..own]);
        AllGather(parts[..own], lengths, whole);
        Wire.Expand(feedback.Format, whole, values);
    }

    /// <summary>Moves a buffer to where the other ranks can read it in place, if there is such memory.</summary>
    /// <param name="memory">The buffer's; null where it cannot move.</param>
    /// <param name="bytes">The buffer's length, the same on every rank.</param>
    internal virtual void Adopt(MovableMemory? memory, long bytes)
    {
    }

    /// <summary>Makes an operation under way fail, here and on the other ranks; from any thread, and more than once.</summary>
    internal abstract void Break(string reason);

    /// <summary>An operation has failed on this rank.</summary>
    /// <returns>The failure as the caller should hear it.</returns>
    internal virtual CollectiveException Failed(CollectiveException failure) => failure;

    /// <summary>After a failure: returns when nobody reads or writes this rank's memory any more.</summary>
    internal abstract void Settle();

    /// <summary>Frees what it holds; no operation is under way.</summary>
    internal abstract void Release();

    private void Run<TState>(TState state, Action<Collective, TState> operation)
    {
        if (queue.IsFree)
        {
            Guard(state, operation);
        }
        else
        {
            Queue(state, operation);
        }
    }

    private void Queue<TState>(TState state, Action<Collective, TState> operation) => Start(_ => Guard(state, operation)).Wait();

    private void Guard<TState>(TState state, Action<Collective, TState> operation)
    {
        SetOperating(true);
        try
        {
            ThrowIfFailed(null);
            Perform(state, operation);
            ThrowIfFailed(null);
        }
        finally
        {
            SetOperating(false);
        }
    }

    private void Perform<TState>(TState state, Action<Collective, TState> operation)
    {
        try
        {
            operation(this, state);
        }
        catch (CollectiveException e)
        {
            var known = Failed(e);
            Settle();

            // Where an abort cut the operation off, its reason is what the caller should hear.
            ThrowIfFailed(e);
            failure = known;
            ThrowIfFailed(e.InnerException);
        }
    }

    private void SetOperating(bool value)
    {
        lock (gate)
        {
            isOperating = value;
            if (!value) Monitor.PulseAll(gate);
        }
    }

    /// <summary>Returns when no operation is under way: those that were have failed, so that is soon.</summary>
    private void AwaitOperation()
    {
        lock (gate)
        {
            while (isOperating)
            {
                Monitor.Wait(gate);
            }
        }
    }

    private void ThrowIfFailed(Exception? cause)
    {
        if (failure is { } known) throw new CollectiveException(known.Message, known.Peer, cause);
    }
}
