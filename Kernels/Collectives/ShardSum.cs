using TorchSharp;
using static TorchSharp.torch;
using Stopwatch = System.Diagnostics.Stopwatch;

namespace CnnCluster.Kernels.Collectives;

/// <summary>Sums of small buffers that each of a rank's shards has one of: over them, and over the other ranks' along the same tree.</summary>
/// <remarks>One thread at a time.</remarks>
public sealed class ShardSum : IDisposable
{
    private readonly ICollective ranks;
    private readonly LeafRange shards;
    private readonly int total;
    private readonly Tensor?[] entered;
    private readonly Func<int, Tensor> enteredBy;
    private readonly Dictionary<(ScalarType Type, long Length), (LeafSums Sums, Tensor Result)> rooms = [];

    /// <param name="ranks">Joins the ranks.</param>
    /// <param name="shards">This rank's; at least one.</param>
    /// <param name="total">How many shards all ranks have.</param>
    public ShardSum(ICollective ranks, LeafRange shards, int total)
    {
        (this.ranks, this.shards, this.total) = (ranks, shards, total);
        entered = new Tensor?[shards.Count];
        enteredBy = shard => entered[shard - shards.From]!;
    }

    /// <summary>Seconds spent in the ranks' sums, in all; read between steps.</summary>
    public double WaitSeconds { get; private set; }

    /// <summary>The sum over all ranks' shards, in each of the buffers; all ranks call this.</summary>
    /// <param name="buffers">Of each of this rank's shards one, in their order: one-dimensional and contiguous, of one type and length.</param>
    /// <exception cref="CollectiveException">A peer is gone or late.</exception>
    public void AllReduceSum(ReadOnlySpan<Tensor> buffers)
    {
        if (buffers.Length != shards.Count) throw new ArgumentException($"There are {shards.Count} shards, and buffers of {buffers.Length}.", nameof(buffers));
        buffers.CopyTo(entered!);
        var (sums, result) = RoomFor(buffers[0]);
        sums.Fill(enteredBy);
        var started = Stopwatch.GetTimestamp();
        try
        {
            sums.Reduce(ranks, result);
        }
        finally
        {
            WaitSeconds += Stopwatch.GetElapsedTime(started).TotalSeconds;
        }

        foreach (var buffer in buffers)
        {
            Elements.Copy(result, buffer);
        }
    }

    public void Dispose()
    {
        foreach (var (sums, result) in rooms.Values)
        {
            sums.Dispose();
            result.Dispose();
        }
    }

    private (LeafSums Sums, Tensor Result) RoomFor(Tensor like)
    {
        var key = (like.dtype, like.numel());
        if (!rooms.TryGetValue(key, out var room))
        {
            room = (new LeafSums(shards, total, like.numel(), like.dtype, like.device), empty_like(like).DetachFromDisposeScope());
            rooms.Add(key, room);
        }

        return room;
    }
}
