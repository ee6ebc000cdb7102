using CnnCluster.Dsl;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Arena;
using CnnCluster.Kernels.Collectives;
using CnnCluster.Trainer.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Training.Gradients;

/// <summary>Chooses how a replica's slices become the gradient of the whole batch.</summary>
/// <param name="plan">The network, and whether it is exact.</param>
/// <param name="arena">Where the sums go.</param>
/// <param name="buffers">What layers change besides weights.</param>
/// <param name="newModule">Makes the network on tensors given.</param>
/// <param name="wire">What gradients become between hosts; null for what they are.</param>
internal sealed class StepGradients(
    TrainPlan plan,
    ParameterArena arena,
    BufferArena buffers,
    Func<NetworkTensors, NetworkModule> newModule,
    WireFormat? wire)
{
    /// <summary>Of all shards' gradients, where shards need not meet: each has one of its own when they go through a network together.</summary>
    private const long MostTogether = 1 << 24;

    /// <summary>For the ranks of a generation.</summary>
    /// <param name="main">The replica's own pass, whose gradient is the arena's; its module is told whom it computes with.</param>
    /// <param name="collective">Joins the ranks.</param>
    /// <exception cref="UserException">There are more ranks than shards.</exception>
    public IStepGradient Among(SlicePass main, ICollective collective)
    {
        var statistics = new TimedSum(collective);
        main.Module.Step = new StepContext(plan.Seed, statistics);
        if (ShardDeal.Of(plan, collective.Rank.Value, collective.WorldSize.Value) is not { } deal)
        {
            return new WholeSlice(main, ReductionOf(main, collective), statistics);
        }

        var sums = new ShardSums(deal, arena, collective);
        var isFewNumbers = deal.Total * arena.Gradients.numel() <= MostTogether;
        return main.Module.InLanes is { } network && (isFewNumbers || ExactMode.ShardsMeet(plan)) ? new ShardsInLanes(plan, main.Module, network, arena, sums, new ShardSum(collective, deal.Own, deal.Total), deal)
            : ExactMode.ShardsMeet(plan) ? Together(main, collective, deal, sums)
            : new ShardsInTurn(main, sums);
    }

    /// <summary>Sums go on beside backward where the network between hosts has them wait, and the CPU computes.</summary>
    private GradientReduction ReductionOf(SlicePass main, ICollective collective)
    {
        var isBetweenHosts = collective.SpansHosts;
        var whole = new GradientBucket(GradientBucket.AtEnd, 0, arena.Gradients.numel());
        return new GradientReduction(
            collective,
            arena,
            isBetweenHosts && !main.IsOwn && arena.Gradients.device_type == DeviceType.CPU ? GradientBucket.Of(main.Module, arena) : [whole],
            isBetweenHosts ? wire : null);
    }

    private ShardsTogether Together(SlicePass main, ICollective collective, ShardDeal deal, ShardSums sums)
    {
        var group = new ShardGroup(collective, deal.Own, deal.Total);
        main.Module.Step = new StepContext(plan.Seed, group.SumsOf(deal.Own.From));
        return new ShardsTogether(sums, group, deal, shard => shard == deal.Own.From ? new ShardPass(main) : NewPass(group, shard));
    }

    /// <summary>
    /// A further shard has the network's weights, and a gradient of its own. What it makes of the running statistics is what
    /// the first shard makes of them, and is dropped.
    /// </summary>
    private ShardPass NewPass(ShardGroup group, int shard)
    {
        var gradient = new FlatBuffer(arena.Segments, arena.Gradients.dtype, arena.Gradients.device, arena.Extras.numel());
        var dropped = new FlatBuffer(buffers.Segments, arena.Gradients.dtype, arena.Gradients.device);
        var module = newModule(new NetworkTensors(arena.ParameterViews, gradient.Views, buffers.CurrentViews, dropped.Views));
        module.Step = new StepContext(plan.Seed, group.SumsOf(shard));
        var placement = new BatchPlacement(plan.Network, arena.Gradients.dtype, arena.Gradients.device);
        var pass = new SlicePass(plan, module, placement, gradient.Whole, gradient.Extras, own: null);
        return new ShardPass(pass, pass, module, dropped, gradient);
    }
}
