using CnnCluster.Dsl;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Tracing;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Training.Gradients;

/// <summary>What a slice's outputs come to: the plan's losses, backward from them, and the figures of the step.</summary>
/// <param name="plan">Losses and metrics.</param>
/// <param name="extras">What figures are added to: <see cref="StepExtras"/>.</param>
internal sealed class LossPass(TrainPlan plan, Tensor extras) : IDisposable
{
    private readonly Objective objective = new(plan);
    private readonly bool isFlat = plan.Network.Nodes[^1].Layer.Output.Rank == 0;
    private readonly Tensor[] outputs = new Tensor[1];
    private readonly Tensor[] sums = [.. Enumerable.Range(0, (int)extras.numel()).Select(place => extras[place].DetachFromDisposeScope())];

    /// <summary>This worker has been asked to stop.</summary>
    public void RequestStop() => sums[StepExtras.Stop].fill_(Scalars.Of(1));

    /// <summary>Adds one number to a sum over the step.</summary>
    public void Add(int place, Tensor value) => sums[place].add_(value, Scalars.Of(1));

    /// <summary>Back-propagates a slice's losses into whatever its outputs were made of, and adds its figures.</summary>
    public void BackPropagate(BatchTensors tensors, StepScope scope)
    {
        var (losses, loss) = Loss(tensors, scope.Samples);
        using (Trace.Span("backward")) (scope.Scale.Equals(1) ? loss : loss * Scalars.Of(scope.Scale)).backward();
        using var metrics = Trace.Span("metrics");
        using var gradless = no_grad();
        Add(StepExtras.Loss, loss);
        var figures = objective.Figures(tensors, losses);
        for (var i = 0; i < figures.Count; i++)
        {
            Add(StepExtras.FirstFigure + i, figures[i].sum());
        }
    }

    /// <summary>The same of a network that autograd knows nothing of.</summary>
    /// <param name="inputs">The slice's.</param>
    /// <param name="output">What the network made of them, (N, C, H, W); H and W are 1 where it has no sides.</param>
    /// <param name="targets">The slice's.</param>
    /// <param name="scope">The step.</param>
    /// <returns>The output's gradient.</returns>
    public Tensor BackPropagate(IReadOnlyList<Tensor> inputs, Tensor output, IReadOnlyList<Tensor> targets, StepScope scope)
    {
        output.requires_grad = true;
        outputs[0] = isFlat ? output.flatten(1) : output;
        BackPropagate(new BatchTensors(inputs, outputs, targets), scope);
        return output.grad ?? throw new InvalidOperationException("The losses do not depend on the network's output.");
    }

    public void Dispose() => Array.ForEach(sums, static sum => sum.Dispose());

    /// <summary>Each loss of each sample, and what is back-propagated.</summary>
    private (IReadOnlyList<Tensor> Losses, Tensor Total) Loss(BatchTensors tensors, long samples)
    {
        using var span = Trace.Span("loss");
        var losses = objective.Losses(tensors);
        return (losses, objective.Total(losses).sum() / Scalars.Of(samples));
    }
}
