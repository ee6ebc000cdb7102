using CnnCluster.Kernels.Arena;
using CnnCluster.Kernels.Collectives;
using static TorchSharp.torch;

namespace CnnCluster.Kernels;

/// <summary>
/// Operations that every rank of a generation enters in the same order. A tensor passed here is one-dimensional
/// and contiguous, has the same length and type (float32 or float64) on every rank, and lives on any device.
/// </summary>
/// <remarks>
/// Every call returns in bounded time: when a peer is gone, late beyond the time-out, or <see cref="Abort"/> was
/// called, it throws <see cref="CollectiveException"/>, and so does every later call. Results have the same bits on
/// every rank and in every run: a sum is taken along one fixed binary tree (<see cref="SumTree"/>).
/// One thread at a time calls the operations; <see cref="Abort"/> may come from any thread.
/// </remarks>
public interface ICollective : IBatchSum, IDisposable
{
    Rank Rank { get; }
    WorldSize WorldSize { get; }

    /// <summary>Whether some ranks reach each other over a network alone: the same on every rank.</summary>
    bool SpansHosts { get; }

    /// <summary>How the ranks reach each other: the same on every rank.</summary>
    CollectiveTransport Transport { get; }

    /// <summary>
    /// The sum of float32 numbers that travel in 16 bits: each rank's summands are rounded once, and so are the sums, by the
    /// rank whose chunk they are, which takes the rounded ones itself. Every rank gets the same bits. Where hosts have several
    /// ranks, a host's sum is what is rounded: its ranks hand float32 to each other.
    /// </summary>
    /// <param name="buffer">float32; replaced by the sum.</param>
    /// <param name="feedback">This rank's remainders of the steps before: <see cref="NewFeedback"/>.</param>
    void AllReduceRounded(Tensor buffer, ErrorFeedback feedback);

    /// <summary>Remainders for the rounded sums of one buffer by this collective.</summary>
    /// <param name="format">What travels.</param>
    /// <param name="length">The buffer's elements.</param>
    ErrorFeedback NewFeedback(WireFormat format, int length);

    /// <summary>Replaces the buffer on every rank by the element-wise greatest over ranks; NaN where any rank has NaN.</summary>
    void AllReduceMax(Tensor buffer);

    /// <summary>Replaces the buffer x on every rank by Σ wᵣ·xᵣ / Σ wᵣ.</summary>
    /// <param name="buffer">This rank's values. With a weight of 0 they count for nothing, NaN included.</param>
    /// <param name="weight">This rank's weight: at least 0, and above 0 on some rank.</param>
    /// <exception cref="ArgumentException">The weight is negative or not finite.</exception>
    void AllReduceMean(Tensor buffer, double weight);

    /// <summary>
    /// The sum of leaves that are dealt out among the ranks, on every rank: taken along the one tree that
    /// <see cref="SumTree"/> has for so many leaves, so its bits do not depend on which rank holds which leaves.
    /// </summary>
    /// <param name="nodes">
    /// This rank's leaves, summed as far as the tree allows: one row for each of <see cref="SumTree.Nodes"/>, in their
    /// order; contiguous. A rank without leaves has no row.
    /// </param>
    /// <param name="leaves">This rank's leaves. The ranks' leaves follow each other in rank order.</param>
    /// <param name="totalLeaves">How many leaves the tree has; the same on every rank.</param>
    /// <param name="result">Receives the sum: as long as a row and of its type. It may be one of the rows, but not part of two.</param>
    void AllReduceTree(Tensor nodes, LeafRange leaves, int totalLeaves, Tensor result);

    /// <summary>Gives each rank its chunk of the element-wise sum over ranks.</summary>
    /// <param name="buffer">This rank's summand of all chunks, which <see cref="Chunks.Of"/> deals out.</param>
    /// <param name="part">Receives this rank's chunk; it may be that chunk of the buffer.</param>
    void ReduceScatterSum(Tensor buffer, Tensor part);

    /// <summary>Puts the ranks' parts one behind the other, in rank order, on every rank.</summary>
    /// <param name="part">This rank's part; it may lie at its place in <paramref name="whole"/>.</param>
    /// <param name="lengths">How long each rank's part is, 0 included; the same on every rank.</param>
    /// <param name="whole">Receives all parts: as long as all of them together.</param>
    void AllGather(Tensor part, IReadOnlyList<int> lengths, Tensor whole);

    /// <summary>Replaces the buffer on every rank by <paramref name="root"/>'s.</summary>
    void Broadcast(Tensor buffer, Rank root);

    /// <summary>
    /// Lets the ranks of a host read a buffer of each other's where it lies, instead of copies, where memory can be shared and
    /// the buffer is long enough for that to pay: until the collective fails or is disposed of, or another is adopted. The
    /// buffer's elements and addresses stay; while it moves nobody else may use it.
    /// </summary>
    /// <param name="buffer">As long on every rank. It may be disposed of before the collective.</param>
    void Adopt(FlatBuffer buffer);

    /// <summary>Returns when every rank has entered.</summary>
    void Barrier();

    /// <summary>
    /// Starts operations and returns. They run on the collective's own thread, behind those that were started before;
    /// a call that does not come from there waits for its turn behind all of them.
    /// </summary>
    /// <param name="operations">Calls operations of the collective that it is given; the same ones on every rank.</param>
    /// <returns>The handle to wait with. Until then the tensors belong to the operations.</returns>
    CollectiveWork Start(Action<ICollective> operations);

    /// <summary>The same for operations that are started again and again, which leaves nothing for the garbage collector.</summary>
    /// <exception cref="InvalidOperationException">They were started and have not ended.</exception>
    void Start(CollectiveWork work);

    /// <summary>Makes the operation in progress and every later one fail with this reason, started ones included.</summary>
    void Abort(string reason);
}

/// <summary>What all who compute a batch may ask of each other within a step: sums over the whole batch.</summary>
/// <remarks>They are the ranks, or in exact mode the shards; every one enters in the same order, an empty slice or not.</remarks>
public interface IBatchSum
{
    /// <summary>
    /// Replaces the buffer of every rank, or shard, by the element-wise sum over all. The sum is taken along one fixed
    /// binary tree over them (leaves in their order), so every one of them and every run has the same bits.
    /// </summary>
    /// <exception cref="CollectiveException">Another is gone or late.</exception>
    void AllReduceSum(Tensor buffer);
}

/// <summary>A collective could not be completed: a peer is gone or late, or the operation was aborted.</summary>
public sealed class CollectiveException(string message, Rank? peer = null, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>The peer that failed, where one is known.</summary>
    public Rank? Peer { get; } = peer;
}
