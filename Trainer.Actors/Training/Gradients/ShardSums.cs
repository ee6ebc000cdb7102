using CnnCluster.Kernels;
using CnnCluster.Kernels.Arena;
using CnnCluster.Kernels.Collectives;
using CnnCluster.Trainer.Data;
using CnnCluster.Trainer.Protocol;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Training.Gradients;

/// <summary>
/// Exact mode: what is summed, gradients, losses and figures, is summed over the shards of the batch along one tree,
/// whichever workers compute them.
/// </summary>
internal sealed class ShardSums : IDisposable
{
    private readonly ShardDeal deal;
    private readonly ParameterArena arena;
    private readonly ICollective collective;
    private readonly List<Batch>[] slicesOfShards;
    private LeafSums? gradients;

    public ShardSums(ShardDeal deal, ParameterArena arena, ICollective collective)
    {
        (this.deal, this.arena, this.collective) = (deal, arena, collective);
        slicesOfShards = [.. Enumerable.Range(0, deal.Own.Count).Select(static _ => new List<Batch>())];
    }

    /// <summary>How many shards this worker computes.</summary>
    public int Shards => deal.Own.Count;

    /// <summary>A shard's slices of the batches that make a step; up to the next step.</summary>
    public IReadOnlyList<Batch> SlicesOf(int shard, IReadOnlyList<Batch> slices)
    {
        var own = slicesOfShards[shard - deal.Own.From];
        own.Clear();
        for (var i = shard - deal.Own.From; i < slices.Count; i += deal.Own.Count)
        {
            own.Add(slices[i]);
        }

        return own;
    }

    /// <summary>Sums this worker's shards.</summary>
    /// <param name="make">Makes a shard's gradient, extras included; it is read before the next is made.</param>
    public void Fill(Func<int, Tensor> make)
    {
        if (get_num_threads() != 1)
        {
            throw new InvalidOperationException("Exact mode computes with one intra-op thread: more share sums out in another order.");
        }

        var whole = arena.ReductionBuffer;
        gradients ??= new LeafSums(deal.Own, deal.Total, whole.numel(), whole.dtype, whole.device);
        gradients.Fill(make);
    }

    /// <summary>Sums all workers' shards into the arena, once they are filled in.</summary>
    public void Reduce() =>
        (gradients ?? throw new InvalidOperationException("Nothing is filled in yet.")).Reduce(collective, arena.ReductionBuffer);

    /// <summary>Rank 0 reports the sum over all shards, and the others nothing, which changes no bit of it.</summary>
    public EpochSums Join(IReadOnlyList<EpochSums> parts)
    {
        var rows = parts.Select(EpochSumsRow.Of).ToList();
        using var sums = new LeafSums(deal.Own, deal.Total, rows[0].Length, ScalarType.Float64, CPU);
        using var total = zeros(rows[0].Length, dtype: ScalarType.Float64);
        using var scope = NewDisposeScope();
        sums.Fill(shard => tensor(rows[shard - deal.Own.From]));
        sums.Reduce(collective, total);
        return EpochSumsRow.Read(collective.Rank.Value == 0 ? total.data<double>().ToArray() : new double[rows[0].Length], like: parts[0]);
    }

    public void Dispose() => gradients?.Dispose();
}
