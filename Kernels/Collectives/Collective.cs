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
public abstract class Collective : ICollective
{
    /// <summary>What a rank tells of its leaves: the first, the one past the last, and how many there are in all.</summary>
    private const int DealWords = 3;

    private readonly WorkQueue queue;
    private readonly object gate = new();
    private readonly RoundedSum rounded = new();
    private LeafDeal deal;
    private bool isOperating;
    private volatile CollectiveException? failure;

    private protected Collective(Rank rank, WorldSize world)
    {
        Rank = rank;
        WorldSize = world;
        queue = new WorkQueue(this);
        OneEach = deal = LeafDeal.OneEach(world);
    }

    public Rank Rank { get; }

    public WorldSize WorldSize { get; }

    /// <summary>One leaf for each rank.</summary>
    private protected LeafDeal OneEach { get; }

    public void AllReduceSum(Tensor buffer) =>
        Run(buffer, static (c, b) => c.Reduce(c.OneEach, b, b, Reduction.Sum));

    public void AllReduceRounded(Tensor buffer, ErrorFeedback feedback)
    {
        feedback.Check(buffer);
        Run((buffer, feedback), static (c, sum) => c.ReduceRounded(sum.buffer, sum.feedback));
    }

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

    public CollectiveWork Start(Action<ICollective> operations) => queue.Add(operations);

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

    private void Queue<TState>(TState state, Action<Collective, TState> operation) => queue.Add(_ => Guard(state, operation)).Wait();

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

    private void Reduce(LeafDeal leaves, Tensor rows, Tensor result, Reduction reduction)
    {
        using var source = new HostTensor(rows);
        using var target = ReferenceEquals(rows, result) ? default : new HostTensor(result);
        var written = ReferenceEquals(rows, result) ? source : target;
        if (HostTensor.IsSingle(result)) Reduce(leaves, source.Elements<float>(), written.Elements<float>(), reduction);
        else Reduce(leaves, source.Elements<double>(), written.Elements<double>(), reduction);
        written.Store();
    }

    private void Mean(Tensor buffer, double weight)
    {
        using var gradless = no_grad();
        using var own = weight.ToScalar();
        if (weight == 0) buffer.zero_();
        else buffer.mul_(own);
        Reduce(OneEach, buffer, buffer, Reduction.Sum);
        Span<double> total = [weight];
        Reduce(OneEach, total, total, Reduction.Sum);
        if (total[0] == 0) throw new CollectiveException("the mean's weights are 0 on all ranks");
        using var whole = total[0].ToScalar();
        buffer.div_(whole);
    }

    private void Scatter(Tensor buffer, Tensor part)
    {
        using var source = new HostTensor(buffer);
        using var target = new HostTensor(part);
        if (HostTensor.IsSingle(buffer)) ReduceScatter(source.Elements<float>(), target.Elements<float>());
        else ReduceScatter(source.Elements<double>(), target.Elements<double>());
        target.Store();
    }

    private void Gather(Tensor part, IReadOnlyList<int> lengths, Tensor whole)
    {
        using var source = new HostTensor(part);
        using var target = new HostTensor(whole);
        if (HostTensor.IsSingle(whole)) AllGather(source.Elements<float>(), lengths, target.Elements<float>());
        else AllGather(source.Elements<double>(), lengths, target.Elements<double>());
        target.Store();
    }

    private void Spread(Tensor buffer, Rank root)
    {
        using var host = new HostTensor(buffer);
        if (HostTensor.IsSingle(buffer)) Broadcast(host.Elements<float>(), root);
        else Broadcast(host.Elements<double>(), root);
        host.Store();
    }

    private void ReduceRounded(Tensor buffer, ErrorFeedback feedback)
    {
        using var host = new HostTensor(buffer);
        var values = host.Elements<float>();
        var lengths = WorldSize.Ranks.Select(rank => Chunks.Of(rank.Value, WorldSize.Value, feedback.Length).Length).ToArray();
        var own = lengths[Rank.Value];
        var whole = rounded.Whole(values.Length);
        var parts = rounded.Parts(WorldSize.Value, own);
        feedback.RoundSummands(values, whole);
        Deliver(whole, parts);
        feedback.RoundSums(rounded.Sum(OneEach, feedback.Format, parts, own), parts[..own]);
        AllGather(parts[..own], lengths, whole);
        Wire.Expand(feedback.Format, whole, values);
        host.Store();
    }

    /// <summary>Tells the others which leaves are here, and learns theirs.</summary>
    private void Deal(LeafRange leaves, int totalLeaves)
    {
        Span<int> own = [leaves.From, leaves.To, totalLeaves];
        Span<int> all = stackalloc int[DealWords * WorldSize.Value];
        AllGather(own, [.. WorldSize.Ranks.Select(static _ => DealWords)], all);
        var ranges = new LeafRange[WorldSize.Value];
        var totals = new int[WorldSize.Value];
        for (var rank = 0; rank < ranges.Length; rank++)
        {
            var told = all.Slice(DealWords * rank, DealWords);
            (ranges[rank], totals[rank]) = (new LeafRange(told[0], told[1]), told[2]);
        }

        if (!deal.Ranges.SequenceEqual(ranges) || totals.Any(count => count != deal.Leaves)) deal = LeafDeal.Of(ranges, totals);
    }
}
