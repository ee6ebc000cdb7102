using CnnCluster.Dsl;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Arena;
using CnnCluster.Kernels.Optimization;
using CnnCluster.Kernels.Tracing;
using CnnCluster.Trainer.Data;
using CnnCluster.Trainer.Protocol;
using TorchSharp;
using static TorchSharp.torch;
using Position = CnnCluster.Trainer.Protocol.Position;
using Stopwatch = System.Diagnostics.Stopwatch;

namespace CnnCluster.Trainer.Training;

/// <summary>
/// One worker's copy of the network on its device: the module, whose parameters are views into the arena, and the
/// update. All calls come from one thread.
/// </summary>
/// <remarks>
/// Every worker back-propagates the sum of its losses over the global batch's size, so the reduction is a plain sum,
/// slices of any size are exact, and an empty slice contributes zeros. Parameters, optimizer state and buffers change
/// together, after the reduction: a step that throws before has changed nothing.
/// </remarks>
public sealed class Replica : IDisposable
{
    // Behind the gradients, one all-reduce carries what every worker must know of the step.
    private const int LossExtra = 0;
    private const int StopExtra = 1;
    private const int FirstFigureExtra = 2;
    private readonly TrainPlan plan;
    private StepContext context;
    private readonly NetworkModule module;
    private readonly OptimizerStep optimizer;
    private readonly BatchPlacement placement;
    private readonly LossScaling? scaling;
    private readonly IReadOnlyList<string> figureNames;
    private readonly OwnStepRunner? own;
    private bool isReducing;

    /// <param name="plan">The network and how it is trained.</param>
    /// <param name="device">Where it computes.</param>
    /// <param name="collective">Joins it with its peers.</param>
    /// <param name="ownStep">What a step does instead of the script's losses; null for these.</param>
    public Replica(TrainPlan plan, Device device, ICollective collective, OwnStep? ownStep = null)
    {
        this.plan = plan;
        Device = device;
        Collective = collective;
        ElementType = plan.Precision == Precision.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        context = new StepContext(plan.Seed, collective);
        placement = new BatchPlacement(plan.Network, ElementType, device);
        figureNames = ownStep is null ? plan.FigureNames : OwnStepRunner.FigureNames(plan, ownStep);
        var rule = plan.CreateRule();
        Arena = new ParameterArena(Segments(plan.Network.Weights), rule, ElementType, device, FirstFigureExtra + figureNames.Count);
        Buffers = new BufferArena([.. Segments(plan.Network.Buffers)], ElementType, device);
        var tensors = new NetworkTensors(Arena.ParameterViews, Arena.GradientViews, Buffers.CurrentViews, Buffers.NextViews);
        module = plan.Precision switch
        {
            Precision.BFloat16 => new NetworkModule(plan.Network, tensors, ScalarType.BFloat16),
            Precision.Float16 => new NetworkModule(plan.Network, tensors, ScalarType.Float16),
            _ => new NetworkModule(plan.Network, tensors, Kernels(ownStep)),
        };
        module.Step = context;
        scaling = plan.Precision == Precision.Float16 ? new LossScaling() : null;
        module.Initialise(plan.Seed);
        own = ownStep is null ? null : new OwnStepRunner(plan, ownStep, module, Arena);
        optimizer = new OptimizerStep(Arena, rule, plan.Clipping);
    }

    public Device Device { get; }

    public ICollective Collective { get; private set; }

    public ScalarType ElementType { get; }

    public ParameterArena Arena { get; }

    public BufferArena Buffers { get; }

    /// <summary>Weights and buffers, in declaration order.</summary>
    public IEnumerable<NamedTensor> Tensors => plan.Network.Weights.Concat(plan.Network.Buffers);

    /// <summary>Steps committed so far.</summary>
    public long Step { get; set; }

    /// <summary>Steps among them that changed nothing, because their gradients were not finite in 16 bits.</summary>
    public long SkippedSteps { get; private set; }

    /// <summary>What the last step's gradients were multiplied by; 1 but for float16.</summary>
    public double GradientScale { get; private set; } = 1;

    /// <summary>Whether it is in a step's reduction, and waits for its peers; read from other threads.</summary>
    public bool IsReducing
    {
        get => Volatile.Read(ref isReducing);
        private set => Volatile.Write(ref isReducing, value);
    }

    /// <summary>Seconds that it has spent in steps' reductions, in all.</summary>
    public double WaitSeconds { get; private set; }

    /// <summary>Called in each step when the gradient is reduced and nothing is changed yet.</summary>
    public Action<Replica>? Reduced { get; set; }

    /// <summary>Joins it with the peers of a new generation. The state stays; the old collective is the caller's to dispose.</summary>
    public void Join(ICollective collective)
    {
        Collective = collective;
        context = new StepContext(plan.Seed, collective);
        module.Step = context;
    }

    /// <summary>Takes one step together with all other ranks, which must call it too, an empty slice or not.</summary>
    /// <param name="batches">This rank's slices of the batches whose gradients make the step: one, or several where they accumulate.</param>
    /// <param name="learningRate">The same on every rank.</param>
    /// <param name="stopRequested">Whether this rank has been asked to stop.</param>
    /// <exception cref="CollectiveException">A peer is gone or late; nothing has changed.</exception>
    /// <exception cref="NonFiniteGradientException">The loss has diverged; nothing has changed.</exception>
    public StepResult Take(IReadOnlyList<Batch> batches, double learningRate, bool stopRequested)
    {
        using var step = Trace.Span("step");
        using var scope = NewDisposeScope();
        GradientScale = scaling?.Scale ?? 1;
        Arena.ZeroGradients();
        Buffers.BeginStep();
        context.Training = true;
        context.Step = Step;
        var samples = batches.Sum(static b => b.GlobalCount);
        var before = 0L;
        foreach (var batch in batches)
        {
            BackPropagate(batch, before, samples);
            before += batch.GlobalCount;
        }

        context.ThrowIfFailed();
        if (stopRequested) Arena.Extras[StopExtra].fill_(1);
        using (Trace.Span("all-reduce"))
        {
            var entered = Stopwatch.GetTimestamp();
            IsReducing = true;
            try
            {
                Collective.AllReduceSum(Arena.ReductionBuffer);
            }
            finally
            {
                IsReducing = false;
                WaitSeconds += Stopwatch.GetElapsedTime(entered).TotalSeconds;
            }
        }

        own?.Reduced();
        Reduced?.Invoke(this);
        var extras = ToHost(Arena.Extras);
        var stop = extras[StopExtra] > 0;
        if (!Update(learningRate, out var penalty))
        {
            return new StepResult(samples, 0, 0, [.. figureNames.Select(static _ => 0.0)], stop, Skipped: true);
        }

        return new StepResult(samples, extras[LossExtra], penalty, extras[FirstFigureExtra..], stop, Skipped: false);
    }

    /// <summary>Takes up where a checkpoint or a peer stands; weights and states come by themselves.</summary>
    public void Stand(Position position)
    {
        Step = position.Step;
        SkippedSteps = position.LossScaling?.SkippedSteps ?? 0;
        if (position.LossScaling is { Scale: > 0 } kept) scaling?.Restore(kept.Scale, kept.GoodSteps);
    }

    /// <summary>The state of the loss' scaling for a checkpoint.</summary>
    public LossScalingState Scaling => new()
    {
        Scale = scaling?.Scale ?? 1,
        GoodSteps = scaling?.GoodSteps ?? 0,
        SkippedSteps = SkippedSteps,
    };

    /// <summary>This rank's sums over validation batches, which it disposes of; ranks need not wait for each other.</summary>
    public EpochSums Evaluate(IEnumerable<Batch> batches, Action? onBatch = null)
    {
        context.Training = false;
        var sums = new EpochSums();
        sums.Figures.AddRange(figureNames.Select(static _ => 0.0));
        var penalties = Regularization.Losses(Arena);
        sums.Penalties.AddRange(penalties.Select(static _ => 0.0));
        foreach (var batch in batches)
        {
            using var used = batch;
            if (batch.Count == 0) continue;
            var (loss, figures) = EvaluateOne(batch);
            sums.Samples += batch.Count;
            sums.Loss += loss;
            for (var i = 0; i < penalties.Count; i++)
            {
                sums.Penalties[i] += penalties[i] * batch.Count;
                sums.Penalty += penalties[i] * batch.Count;
            }

            for (var i = 0; i < figures.Count; i++)
            {
                sums.Figures[i] += figures[i];
            }

            onBatch?.Invoke();
        }

        return sums;
    }

    /// <summary>What the network makes of a batch, in inference; the tensors belong to the caller's scope.</summary>
    public BatchTensors Predict(Batch batch)
    {
        using var gradless = no_grad();
        context.Training = false;
        return Run(batch);
    }

    /// <summary>Gives every rank rank 0's buffers: they differ only where batch normalisation keeps to each worker's own slice.</summary>
    public void ShareBuffers()
    {
        if (Buffers.Segments.Count > 0)
        {
            Collective.Broadcast(Buffers.Current, new Rank(0));
        }
    }

    public void Dispose()
    {
        module.Dispose();
        Buffers.Dispose();
        Arena.Dispose();
    }

    /// <summary>A step of one's own may ask autograd for any weight's gradient, which lanes do not tell it.</summary>
    private LayerKernels Kernels(OwnStep? ownStep) =>
        Device.type == DeviceType.CPU && ElementType == ScalarType.Float32 && ownStep is null ? LayerKernels.Lanes : LayerKernels.Library;

    private static IEnumerable<ArenaSegment> Segments(IEnumerable<NamedTensor> tensors) =>
        tensors.Select(static t => new ArenaSegment(t.Name, t.Shape, t.L1, t.L2));

    /// <summary>Updates everything together, or passes over a step whose scaled gradient is not finite, as every rank does.</summary>
    private bool Update(double learningRate, out double penalty)
    {
        using var update = Trace.Span("update");
        var updated = optimizer.TryApply(Step + 1 - SkippedSteps, learningRate, 1 / GradientScale, out penalty);
        if (updated)
        {
            scaling?.Succeeded();
            Buffers.Commit();
        }
        else if (scaling is null || !scaling.Failed())
        {
            throw new NonFiniteGradientException(Step + 1);
        }
        else
        {
            SkippedSteps++;
        }

        Step++;
        return updated;
    }

    /// <summary>Forward, loss and backward for one of the step's batches.</summary>
    private void BackPropagate(Batch batch, long samplesBefore, long samples)
    {
        using var scope = NewDisposeScope();
        context.FirstSample = samplesBefore + batch.FirstSample;
        context.GlobalBatch = batch.GlobalCount;
        if (own is not null)
        {
            BackPropagate(own, batch, samples);
            return;
        }

        var tensors = Run(batch);
        var (losses, loss) = Loss(tensors, samples);
        using (Trace.Span("backward")) (scaling is null ? loss : loss * GradientScale).backward();
        using var metrics = Trace.Span("metrics");
        using var gradless = no_grad();
        Arena.Extras[LossExtra].add_(loss.detach());
        foreach (var (i, values) in plan.SampleFigures(tensors, losses).Index())
        {
            Arena.Extras[FirstFigureExtra + i].add_(values.sum());
        }
    }

    /// <summary>Each loss of each sample, and what is back-propagated.</summary>
    private (IReadOnlyList<Tensor> Losses, Tensor Total) Loss(BatchTensors tensors, long samples)
    {
        using var span = Trace.Span("loss");
        var losses = plan.SampleLosses(tensors);
        return (losses, plan.TotalLoss(losses).sum() / (double)samples);
    }

    /// <summary>The same by a step of one's own.</summary>
    private void BackPropagate(OwnStepRunner step, Batch batch, long samples)
    {
        var (loss, figures) = step.BackPropagate(placement.Inputs(batch), placement.Targets(batch), batch.Count, samples);
        using var gradless = no_grad();
        Arena.Extras[LossExtra].add_(loss / (double)samples);
        foreach (var (i, sum) in figures.Index())
        {
            Arena.Extras[FirstFigureExtra + i].add_(sum);
        }
    }

    private (double Loss, IReadOnlyList<double> Figures) EvaluateOne(Batch batch)
    {
        using var evaluating = Trace.Span("evaluate");
        using var scope = NewDisposeScope();
        using var gradless = no_grad();
        if (own is not null)
        {
            context.FirstSample = batch.FirstSample;
            var (ownLoss, ownFigures) = own.Evaluate(placement.Inputs(batch), placement.Targets(batch), batch.Count);
            return (Sum(ownLoss), [.. ownFigures.Select(Sum)]);
        }

        var tensors = Run(batch);
        var losses = plan.SampleLosses(tensors);
        return (Sum(plan.TotalLoss(losses)), [.. plan.SampleFigures(tensors, losses).Select(Sum)]);

        static double Sum(Tensor values) => values.sum(ScalarType.Float64).item<double>();
    }

    private BatchTensors Run(Batch batch)
    {
        using var forward = Trace.Span("forward");
        var inputs = placement.Inputs(batch);
        return new BatchTensors(inputs, module.Run(inputs), placement.Targets(batch));
    }

    private static double[] ToHost(Tensor values)
    {
        using var host = values.to(ScalarType.Float64, CPU);
        return host.data<double>().ToArray();
    }
}
