using CnnCluster.Dsl;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Arena;
using CnnCluster.Kernels.Collectives;
using CnnCluster.Kernels.Layers.Lanes;
using CnnCluster.Kernels.Tracing;
using CnnCluster.Trainer.Data;
using CnnCluster.Trainer.Protocol;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Training.Gradients;

/// <summary>
/// Exact mode where lanes compute the network, and layers take statistics of the whole batch or the shards' gradients are few numbers: a worker's
/// shards go through it together, on one thread and without autograd but for their losses.
/// </summary>
internal sealed class ShardsInLanes : IStepGradient
{
    private readonly NetworkModule module;
    private readonly ParameterArena arena;
    private readonly ShardSums gradientSums;
    private readonly ShardSum statistics;
    private readonly LaneShards lanes;
    private readonly int firstShard;
    private readonly Tensor[] inputs;
    private readonly Tensor[] outputs;
    private readonly Tensor[] outputGradients;
    private readonly Func<int, Tensor> gradientOf;
    private readonly Func<Shard[]> newShards;
    private Shard[] shards = [];
    private Tensor[] gradients = [];

    /// <param name="plan">The network, its losses and its metrics.</param>
    /// <param name="module">It, with its gradients in the arena.</param>
    /// <param name="network">All that it is.</param>
    /// <param name="arena">Where the sums go.</param>
    /// <param name="sums">Sums the shards' gradients; this disposes of it, and of what follows.</param>
    /// <param name="statistics">Sums what layers ask for.</param>
    /// <param name="deal">This worker's shards.</param>
    public ShardsInLanes(
        TrainPlan plan, NetworkModule module, LaneNetwork network, ParameterArena arena, ShardSums sums, ShardSum statistics, ShardDeal deal)
    {
        (this.module, this.arena, gradientSums, this.statistics, firstShard) = (module, arena, sums, statistics, deal.Own.From);
        lanes = new LaneShards(network, deal.Own.Count, statistics);
        newShards = () => [.. Enumerable.Range(0, Parts).Select(_ => new Shard(plan, arena))];
        (Parts, inputs, outputs, outputGradients) = (deal.Own.Count, new Tensor[deal.Own.Count], new Tensor[deal.Own.Count], new Tensor[deal.Own.Count]);
        gradientOf = shard => gradients[shard - firstShard];
    }

    public int Parts { get; }

    public double WaitSeconds => statistics.WaitSeconds;

    public void Compute(IReadOnlyList<Batch> slices, StepScope scope)
    {
        module.Step.Training = true;
        module.Step.Step = scope.Step;
        MakeShards();
        foreach (var shard in shards)
        {
            shard.Begin(scope);
        }

        for (var batch = 0; batch < slices.Count; batch += shards.Length)
        {
            BackPropagate(slices, batch, scope);
        }

        gradientSums.Fill(gradientOf);
    }

    public void Reduce() => gradientSums.Reduce();

    public EpochSums Join(IReadOnlyList<EpochSums> parts) => gradientSums.Join(parts);

    public void Dispose()
    {
        Array.ForEach(shards, static shard => shard.Dispose());
        lanes.Dispose();
        statistics.Dispose();
        gradientSums.Dispose();
    }

    /// <summary>With the first step: what only validates needs no gradient for each.</summary>
    private void MakeShards()
    {
        if (shards.Length > 0) return;
        shards = newShards();
        gradients = [.. shards.Select(static shard => shard.Gradient.Whole)];
    }

    /// <summary>Takes a batch's slices, one of each shard, through the network and back.</summary>
    private void BackPropagate(IReadOnlyList<Batch> slices, int first, StepScope scope)
    {
        using var disposing = NewDisposeScope();
        module.Step.GlobalBatch = slices[first].GlobalCount;
        using (Trace.Span("forward"))
        {
            for (var shard = 0; shard < shards.Length; shard++)
            {
                inputs[shard] = shards[shard].Inputs(slices[first + shard]);
            }

            lanes.Forward(inputs, module.Step, outputs);
        }

        for (var shard = 0; shard < shards.Length; shard++)
        {
            outputGradients[shard] = shards[shard].BackPropagate(slices[first + shard], outputs[shard], scope);
        }

        using var backward = Trace.Span("backward");
        lanes.Backward(outputGradients, module.Step, arena.Gradients, gradients);
    }

    /// <summary>What a shard has of its own: a gradient with extras behind it, and its losses.</summary>
    private sealed class Shard : IDisposable
    {
        private readonly BatchPlacement placement;
        private readonly LossPass loss;
        private IReadOnlyList<Tensor> inputs = [];

        public Shard(TrainPlan plan, ParameterArena arena)
        {
            Gradient = new FlatBuffer(arena.Segments, arena.Gradients.dtype, arena.Gradients.device, arena.Extras.numel());
            placement = new BatchPlacement(plan.Network, arena.Gradients.dtype, arena.Gradients.device);
            loss = new LossPass(plan, Gradient.Extras);
        }

        public FlatBuffer Gradient { get; }

        public void Begin(StepScope scope)
        {
            Gradient.Whole.zero_();
            if (scope.StopRequested) loss.RequestStop();
        }

        public Tensor Inputs(Batch slice)
        {
            inputs = placement.Inputs(slice);
            return inputs[0];
        }

        /// <summary>The gradient of the losses of what the network made of a slice.</summary>
        public Tensor BackPropagate(Batch slice, Tensor output, StepScope scope) =>
            loss.BackPropagate(inputs, output, placement.Targets(slice), scope);

        public void Dispose()
        {
            loss.Dispose();
            Gradient.Dispose();
        }
    }
}
