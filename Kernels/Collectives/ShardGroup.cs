using System.Runtime.ExceptionServices;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// Lets a rank's shards take a step in lockstep, each on a thread of its own, and their sums meet those of the other ranks'
/// shards. One of the threads runs at a time: a rank computes on one core.
/// </summary>
/// <remarks>A thread holds the group's lock for all that it computes, and gives it up while it waits for the others in a sum.</remarks>
public sealed class ShardGroup : IDisposable
{
    private readonly object gate = new();
    private readonly ICollective ranks;
    private readonly LeafRange shards;
    private readonly int total;
    private readonly Tensor?[] entered;
    private readonly Dictionary<(ScalarType Type, long Length), (LeafSums Sums, Tensor Result)> rooms = [];
    private int arrived;
    private long round;
    private ExceptionDispatchInfo? failure;

    /// <param name="ranks">Joins the ranks.</param>
    /// <param name="shards">This rank's; at least one.</param>
    /// <param name="total">How many shards all ranks have.</param>
    public ShardGroup(ICollective ranks, LeafRange shards, int total)
    {
        (this.ranks, this.shards, this.total) = (ranks, shards, total);
        entered = new Tensor?[shards.Count];
    }

    /// <summary>What a shard takes its sums with, on its own thread and within <see cref="Run"/>.</summary>
    /// <param name="shard">Its number among all ranks' shards.</param>
    public IBatchSum SumsOf(int shard) => new Member(this, shard - shards.From);

    /// <summary>Runs a shard's work when its turn comes; what it throws fails the sums that others wait in, now and later.</summary>
    public void Run(Action work)
    {
        lock (gate)
        {
            try
            {
                work();
            }
            catch (Exception e)
            {
                Fail(e);
            }
        }
    }

    /// <summary>Makes the sums that shards wait in fail, now and later.</summary>
    public void Fail(Exception e)
    {
        lock (gate)
        {
            failure ??= ExceptionDispatchInfo.Capture(e);
            Monitor.PulseAll(gate);
        }
    }

    /// <summary>Throws what the first shard to fail has thrown, if one has.</summary>
    public void ThrowIfFailed()
    {
        lock (gate)
        {
            failure?.Throw();
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

    /// <summary>The last shard to come sums them all; the others wait for it, no longer than its own sum may take.</summary>
    private void AllReduceSum(int place, Tensor buffer)
    {
        LeaveIfFailed();
        entered[place] = buffer;
        if (++arrived < shards.Count)
        {
            for (var mine = round; round == mine;)
            {
                Monitor.Wait(gate);
                LeaveIfFailed();
            }

            return;
        }

        Reduce(buffer);
        arrived = 0;
        round++;
        Monitor.PulseAll(gate);
    }

    private void Reduce(Tensor like)
    {
        using var gradless = no_grad();
        var (sums, result) = RoomFor(like);
        sums.Fill(shard => entered[shard - shards.From]!);
        try
        {
            sums.Reduce(ranks, result);
        }
        catch (CollectiveException e)
        {
            // Who asked may be native code, which goes on for now: the others must not wait for what cannot come.
            Fail(e);
            throw;
        }

        foreach (var buffer in entered)
        {
            buffer!.copy_(result);
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

    /// <summary>Ends a shard's wait for one that failed.</summary>
    private void LeaveIfFailed()
    {
        if (failure is { SourceException: var cause }) throw new CollectiveException(cause.Message, (cause as CollectiveException)?.Peer, cause);
    }

    private sealed class Member(ShardGroup group, int place) : IBatchSum
    {
        public void AllReduceSum(Tensor buffer) => group.AllReduceSum(place, buffer);
    }
}
