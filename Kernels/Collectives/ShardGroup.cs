using System.Runtime.ExceptionServices;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// Lets a rank's shards take a step in lockstep, each on a thread of its own, and their sums meet those of the other ranks'
/// shards. One of the threads runs at a time, as a rank computes on one core: they take turns.
/// </summary>
/// <remarks>
/// Who comes to a sum passes the turn on to the next shard, and has it again when all others have been there. The one that has
/// the turn alone touches the group's fields.
/// </remarks>
public sealed class ShardGroup : IDisposable
{
    private readonly LeafRange shards;
    private readonly ShardSum sums;
    private readonly ManualResetEventSlim[] turns;
    private readonly ManualResetEventSlim ended = new(true);
    private readonly bool[] running;
    private readonly Tensor[] entered;
    private int arrived;
    private long sumsTaken;
    private ExceptionDispatchInfo? failure;

    /// <param name="ranks">Joins the ranks.</param>
    /// <param name="shards">This rank's; at least one.</param>
    /// <param name="total">How many shards all ranks have.</param>
    public ShardGroup(ICollective ranks, LeafRange shards, int total)
    {
        (this.shards, sums) = (shards, new ShardSum(ranks, shards, total));
        // Who waits does not spin: there is work for the core.
        turns = [.. Enumerable.Range(0, shards.Count).Select(static _ => new ManualResetEventSlim(false, spinCount: 0))];
        running = new bool[shards.Count];
        entered = new Tensor[shards.Count];
    }

    /// <summary>Seconds spent in the ranks' sums, in all; read between steps.</summary>
    public double WaitSeconds => sums.WaitSeconds;

    /// <summary>What a shard takes its sums with, within <see cref="Run"/>.</summary>
    /// <param name="shard">Its number among all ranks' shards.</param>
    public IBatchSum SumsOf(int shard) => new Member(this, shard - shards.From);

    /// <summary>Begins a step, for which <see cref="Run"/> is then called once for each shard.</summary>
    public void Begin()
    {
        ended.Reset();
        Array.Fill(running, true);
        arrived = 0;
        turns[0].Set();
    }

    /// <summary>Runs a shard's work in its turns, on the thread that calls; what it throws fails the sums of all, now and later.</summary>
    /// <param name="shard">Its number among all ranks' shards.</param>
    /// <param name="work">Takes as many sums as the other shards'.</param>
    public void Run(int shard, Action work)
    {
        var place = shard - shards.From;
        AwaitTurn(place);
        try
        {
            work();
        }
        catch (Exception e)
        {
            Fail(e);
        }

        running[place] = false;
        PassOn(place);
    }

    /// <summary>Returns when all shards' work has ended.</summary>
    /// <exception cref="Exception">What the first shard to fail has thrown.</exception>
    public void End()
    {
        ended.Wait();
        failure?.Throw();
    }

    public void Dispose()
    {
        sums.Dispose();
        foreach (var turn in turns)
        {
            turn.Dispose();
        }

        ended.Dispose();
    }

    private void AwaitTurn(int place)
    {
        turns[place].Wait();
        turns[place].Reset();
    }

    private void PassOn(int place)
    {
        for (var ahead = 1; ahead <= shards.Count; ahead++)
        {
            var next = (place + ahead) % shards.Count;
            if (!running[next]) continue;
            turns[next].Set();
            return;
        }

        ended.Set();
    }

    /// <summary>The last shard to come sums them all; no wait is longer than the others' computing and that sum.</summary>
    private void AllReduceSum(int place, Tensor buffer)
    {
        LeaveIfFailed();
        entered[place] = buffer;
        arrived++;
        if (arrived == shards.Count)
        {
            Reduce();
            arrived = 0;
            sumsTaken++;
            return;
        }

        var before = sumsTaken;
        PassOn(place);
        AwaitTurn(place);
        LeaveIfFailed();
        if (sumsTaken == before) throw new InvalidOperationException("A shard has taken fewer sums than the others in its step.");
    }

    private void Reduce()
    {
        try
        {
            sums.AllReduceSum(entered);
        }
        catch (CollectiveException e)
        {
            // Who asked may be native code, which goes on for now.
            Fail(e);
            throw;
        }
    }

    private void Fail(Exception e) => failure ??= ExceptionDispatchInfo.Capture(e);

    /// <summary>Ends a shard's step where another has failed.</summary>
    private void LeaveIfFailed()
    {
        if (failure is { SourceException: var cause }) throw new CollectiveException(cause.Message, (cause as CollectiveException)?.Peer, cause);
    }

    private sealed class Member(ShardGroup group, int place) : IBatchSum
    {
        public void AllReduceSum(Tensor buffer) => group.AllReduceSum(place, buffer);
    }
}
