using CnnCluster.Dsl;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Arena;
using CnnCluster.Kernels.Collectives;
using CnnCluster.Kernels.Optimization;
using CnnCluster.Kernels.Tracing;
using CnnCluster.Trainer.Data;
using CnnCluster.Trainer.Protocol;
using CnnCluster.Trainer.Training.Gradients;
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
    private readonly TrainPlan plan;
    private readonly NetworkModule module;
    private readonly OptimizerStep optimizer;
    private readonly LossScaling? scaling;
    private readonly SlicePass pass;
    private readonly StepGradients gradients;
    private readonly double[] extras;
    private readonly ArraySegment<double> figures;
    private readonly OwnStepRunner? own;
    private IStepGradient gradient;
    private bool isReducing;

    /// <param name="plan">The network and how it is trained.</param>
    /// <param name="device">Where it computes.</param>
    /// <param name="collective">Joins it with its peers.</param>
    /// <param name="ownStep">What a step does instead of the script's losses; null for these.</param>
    /// <param name="wire">What gradients become between hosts; null for what they are.</param>
    public Replica(TrainPlan plan, Device device, ICollective collective, OwnStep? ownStep = null, WireFormat? wire = null)
    {
        this.plan = plan;
        Device = device;
        Collective = collective;
        ElementType = plan.Precision == Precision.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        var placement = new BatchPlacement(plan.Network, ElementType, device);
        var figureCount = (ownStep is null ? plan.FigureNames : OwnStepRunner.FigureNames(plan, ownStep)).Count;
        extras = new double[StepExtras.FirstFigure + figureCount];
        figures = new ArraySegment<double>(extras, StepExtras.FirstFigure, figureCount);
        var rule = plan.CreateRule();
        Arena = new ParameterArena(Segments(plan.Network.Weights), rule, ElementType, device, extras.Length);
        Buffers = new BufferArena([.. Segments(plan.Network.Buffers)], ElementType, device);
        module = NewModule(new NetworkTensors(Arena.ParameterViews, Arena.GradientViews, Buffers.CurrentViews, Buffers.NextViews), ownStep);
        scaling = plan.Precision is Precision.Float16 or Precision.BFloat16 ? new LossScaling(scales: plan.Precision == Precision.Float16) : null;
        module.Initialise(plan.Seed);
        own = ownStep is null ? null : new OwnStepRunner(plan, ownStep, module, Arena);
        pass = new SlicePass(plan, module, placement, Arena.ReductionBuffer, Arena.Extras, own);
        gradients = new StepGradients(plan, Arena, Buffers, tensors => NewModule(tensors, ownStep), wire);
        gradient = gradients.Among(pass, collective);
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

    /// <summary>Seconds that it has spent in collectives within steps, in all.</summary>
    public double WaitSeconds { get; private set; }

    /// <summary>Called in each step when the gradient is reduced and nothing is changed yet.</summary>
    public Action<Replica>? Reduced { get; set; }

    /// <summary>Joins it with the peers of a new generation. The state stays; the old collective is the caller's to dispose.</summary>
    /// <exception cref="UserException">The plan is exact, and there are more ranks than shards.</exception>
    public void Join(ICollective collective)
    {
        gradient.Dispose();
        Collective = collective;
        collective.Adopt(Arena.GradientBuffer);
        gradient = gradients.Among(pass, collective);
    }

    /// <summary>
    /// An epoch begins, on every rank: what rounding on the wire has left over is forgotten, as it would be where the run went
    /// on from the checkpoint before.
    /// </summary>
    public void BeginEpoch() => gradient.BeginEpoch();

    /// <summary>Takes one step together with all other ranks, which must call it too, an empty slice or not.</summary>
    /// <param name="batches">
    /// This rank's slices of the batches whose gradients make the step: one batch, or several where they accumulate; of each
    /// one slice, or in exact mode each of the rank's shards.
    /// </param>
    /// <param name="learningRate">The same on every rank.</param>
    /// <param name="stopRequested">Whether this rank has been asked to stop.</param>
    /// <exception cref="CollectiveException">A peer is gone or late; nothing has changed.</exception>
    /// <exception cref="NonFiniteGradientException">The loss has diverged; nothing has changed.</exception>
    public StepResult Take(IReadOnlyList<Batch> batches, double learningRate, bool stopRequested)
    {
        using var step = Trace.Span("step");
        using var scope = NewDisposeScope();
        GradientScale = scaling?.Scale ?? 1;
        Buffers.BeginStep();
        var samples = SamplesOf(batches) / gradient.Parts;
        var within = gradient.WaitSeconds;
        gradient.Compute(batches, new StepScope(Step, samples, GradientScale, stopRequested));
        WaitSeconds += gradient.WaitSeconds - within;
        Reduce();
        own?.Reduced();
        Reduced?.Invoke(this);
        Arena.GradientBuffer.ReadExtras(extras);
        var stop = extras[StepExtras.Stop] > 0;
        if (!Update(learningRate, out var penalty))
        {
            figures.AsSpan().Clear();
            return new StepResult(samples, 0, 0, figures, stop, Skipped: true);
        }

        return new StepResult(samples, extras[StepExtras.Loss], penalty, figures, stop, Skipped: false);
    }

    private static long SamplesOf(IReadOnlyList<Batch> batches)
    {
        var samples = 0L;
        for (var i = 0; i < batches.Count; i++)
        {
            samples += batches[i].GlobalCount;
        }

        return samples;
    }

    private void Reduce()
    {
        using var span = Trace.Span("all-reduce");
        var entered = Stopwatch.GetTimestamp();
        IsReducing = true;
        try
        {
            gradient.Reduce();
        }
        finally
        {
            IsReducing = false;
            WaitSeconds += Stopwatch.GetElapsedTime(entered).TotalSeconds;
        }
    }

    /// <summary>Takes up where a checkpoint or a peer stands; weights and states come by themselves.</summary>
    public void Stand(Position position)
    {
        Step = position.Step;
        SkippedSteps = position.LossScaling?.SkippedSteps ?? 0;
        if (position.LossScaling is { Scale: > 0 } kept) scaling?.Restore(kept.Scale, kept.GoodSteps);
    }

    /// <summary>Writes the state of the loss' scaling, for a checkpoint.</summary>
    public void WriteScaling(LossScalingState state)
    {
        state.Scale = scaling?.Scale ?? 1;
        state.GoodSteps = scaling?.GoodSteps ?? 0;
        state.SkippedSteps = SkippedSteps;
    }

    /// <summary>
    /// This rank's sums over validation batches, which it disposes of. Ranks need not wait for each other, but in exact mode:
    /// then all of them call this, and rank 0 has the sums of all.
    /// </summary>
    public EpochSums Evaluate(IEnumerable<Batch> batches, Action? onBatch = null)
    {
        var penalties = Regularization.Losses(Arena);
        List<EpochSums> sums = [.. Enumerable.Range(0, gradient.Parts).Select(_ => NewSums(penalties.Count))];
        foreach (var (i, batch) in batches.Index())
        {
            using var used = batch;
            if (batch.Count == 0) continue;
            AddSums(sums[i % gradient.Parts], batch, penalties);
            onBatch?.Invoke();
        }

        return gradient.Join(sums);
    }

    /// <summary>What the network makes of a batch, in inference; the tensors belong to the caller's scope.</summary>
    public BatchTensors Predict(Batch batch) => pass.Predict(batch);

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
        gradient.Dispose();
        pass.Dispose();
        module.Dispose();
        Buffers.Dispose();
        Arena.Dispose();
    }

    private NetworkModule NewModule(NetworkTensors tensors, OwnStep? ownStep) => plan.Precision switch
    {
        Precision.BFloat16 => new NetworkModule(plan.Network, tensors, ScalarType.BFloat16),
        Precision.Float16 => new NetworkModule(plan.Network, tensors, ScalarType.Float16),
        _ => new NetworkModule(plan.Network, tensors, Kernels(ownStep)),
    };

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
            gradient.Applied();
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

    private EpochSums NewSums(int penalties)
    {
        var sums = new EpochSums();
        sums.Figures.AddRange(Enumerable.Repeat(0.0, figures.Count));
        sums.Penalties.AddRange(Enumerable.Repeat(0.0, penalties));
        return sums;
    }

    private void AddSums(EpochSums sums, Batch batch, IReadOnlyList<double> penalties)
    {
        pass.Evaluate(batch, sums);
        for (var i = 0; i < penalties.Count; i++)
        {
            sums.Penalties[i] += penalties[i] * batch.Count;
            sums.Penalty += penalties[i] * batch.Count;
        }
    }
}
