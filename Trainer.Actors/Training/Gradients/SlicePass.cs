using CnnCluster.Dsl;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Layers;
using CnnCluster.Kernels.Layers.Lanes;
using CnnCluster.Kernels.Tracing;
using CnnCluster.Trainer.Data;
using CnnCluster.Trainer.Protocol;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Training.Gradients;

/// <summary>Takes slices of batches through a network: forward, loss, and in training backward into one gradient.</summary>
/// <param name="plan">Losses and metrics.</param>
/// <param name="module">The network, whose weights' gradients lie in <paramref name="gradient"/>.</param>
/// <param name="placement">Brings batches to where it computes.</param>
/// <param name="gradient">All gradients with the extras behind them, one-dimensional.</param>
/// <param name="extras">The extras alone: <see cref="StepExtras"/>.</param>
/// <param name="own">A step of one's own in place of the plan's losses; null for these.</param>
internal sealed class SlicePass(
    TrainPlan plan, NetworkModule module, BatchPlacement placement, Tensor gradient, Tensor extras, OwnStepRunner? own) : IDisposable
{
    private readonly Objective objective = new(plan);
    private readonly Tensor[] outputs = new Tensor[plan.Network.Outputs.Length];
    private readonly LossPass loss = new(plan, extras);

    public NetworkModule Module => module;

    public Tensor Gradient => gradient;

    /// <summary>Whether a step of one's own takes the place of the plan's losses.</summary>
    public bool IsOwn => own is not null;

    /// <summary>Makes the gradient that of these slices: one of each batch that the step accumulates.</summary>
    /// <param name="slices">The slices.</param>
    /// <param name="scope">The step.</param>
    /// <param name="marks">Hears from when on which gradients stay as they are; null for nobody.</param>
    public void BackPropagate(IReadOnlyList<Batch> slices, StepScope scope, GradientMarks? marks = null)
    {
        gradient.zero_();
        if (scope.StopRequested) loss.RequestStop();
        module.Step.Training = true;
        module.Step.Step = scope.Step;
        var before = 0L;
        for (var i = 0; i < slices.Count; i++)
        {
            module.Marks = i == slices.Count - 1 && marks is not null ? marks : GradientMarks.None;
            BackPropagate(slices[i], before, scope);
            before += slices[i].GlobalCount;
        }

        module.Step.ThrowIfFailed();
    }

    /// <summary>Adds a validation slice's samples, whole loss and further figures to sums of them.</summary>
    public void Evaluate(Batch batch, EpochSums sums)
    {
        using var evaluating = Trace.Span("evaluate");
        using var scope = NewDisposeScope();
        using var gradless = no_grad();
        module.Step.Training = false;
        var (loss, figures) = own is null ? Losses(Run(batch)) : Losses(own, batch);
        sums.Samples += batch.Count;
        sums.Loss += Sum(loss);
        for (var i = 0; i < figures.Count; i++)
        {
            sums.Figures[i] += Sum(figures[i]);
        }

        static double Sum(Tensor values) => values.sum(ScalarType.Float64).item<double>();
    }

    /// <summary>What the network makes of a batch, in inference; the tensors belong to the caller's scope.</summary>
    public BatchTensors Predict(Batch batch)
    {
        using var gradless = no_grad();
        module.Step.Training = false;
        return Run(batch);
    }

    private (Tensor Whole, IReadOnlyList<Tensor> Figures) Losses(BatchTensors tensors)
    {
        var losses = objective.Losses(tensors);
        return (objective.Total(losses), objective.Figures(tensors, losses));
    }

    /// <summary>The same by a step of one's own.</summary>
    private (Tensor Whole, IReadOnlyList<Tensor> Figures) Losses(OwnStepRunner step, Batch batch)
    {
        module.Step.FirstSample = batch.FirstSample;
        return step.Evaluate(placement.Inputs(batch), placement.Targets(batch), batch.Count);
    }

    private void BackPropagate(Batch batch, long samplesBefore, StepScope scope)
    {
        using var disposing = NewDisposeScope();
        module.Step.FirstSample = samplesBefore + batch.FirstSample;
        module.Step.GlobalBatch = batch.GlobalCount;
        if (own is not null)
        {
            BackPropagate(own, batch, scope.Samples);
            return;
        }

        if (module.InLanes is { } network)
        {
            BackPropagate(network, batch, scope);
            return;
        }

        loss.BackPropagate(Run(batch), scope);
    }

    /// <summary>The same where lanes are the whole network: autograd has the losses alone.</summary>
    private void BackPropagate(LaneNetwork network, Batch batch, StepScope scope)
    {
        var (inputs, output) = Forward(network, batch, out var pass);
        var outputGradient = loss.BackPropagate(inputs, output, placement.Targets(batch), scope);
        using var backward = Trace.Span("backward");
        _ = network.Backward(pass, outputGradient);
    }

    private (IReadOnlyList<Tensor> Inputs, Tensor Output) Forward(LaneNetwork network, Batch batch, out LanePass pass)
    {
        using var forward = Trace.Span("forward");
        var inputs = placement.Inputs(batch);
        using var layers = Trace.Span(network.Name, TraceCategory.Layer);
        return (inputs, network.Forward(inputs[0], module.Step, out pass));
    }

    /// <summary>The same by a step of one's own.</summary>
    private void BackPropagate(OwnStepRunner step, Batch batch, long samples)
    {
        var (own, figures) = step.BackPropagate(placement.Inputs(batch), placement.Targets(batch), batch.Count, samples);
        using var gradless = no_grad();
        loss.Add(StepExtras.Loss, own / Scalars.Of(samples));
        for (var i = 0; i < figures.Count; i++)
        {
            loss.Add(StepExtras.FirstFigure + i, figures[i]);
        }
    }

    public void Dispose() => loss.Dispose();

    private BatchTensors Run(Batch batch)
    {
        using var forward = Trace.Span("forward");
        var inputs = placement.Inputs(batch);
        module.RunInto(inputs, outputs);
        return new BatchTensors(inputs, outputs, placement.Targets(batch));
    }
}
