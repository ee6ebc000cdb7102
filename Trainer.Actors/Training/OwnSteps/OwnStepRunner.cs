using CnnCluster.Dsl;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Arena;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Training;

/// <summary>Runs a step of one's own in a replica, and keeps the law of sums: see <see cref="OwnStep"/>.</summary>
internal sealed class OwnStepRunner
{
    private readonly TrainPlan plan;
    private readonly Objective objective;
    private readonly OwnStep step;
    private readonly ParameterArena arena;
    private readonly Dictionary<string, Tensor> gradients;
    private readonly StepSlice slice;
    private Tensor[] figureSums = [];

    /// <exception cref="UserException">A loss trains nothing, or would have to be scaled.</exception>
    public OwnStepRunner(TrainPlan plan, OwnStep step, NetworkModule module, ParameterArena arena)
    {
        if (plan.Precision == Precision.Float16)
        {
            throw new UserException("A step of one's own scales no loss, as precision float16 needs: precision bfloat16 does without.");
        }

        (this.plan, this.step, this.arena) = (plan, step, arena);
        objective = new Objective(plan);
        var weights = ByName(module.Tensors);
        gradients = ByName(arena.GradientViews);
        slice = new StepSlice(module, weights, gradients);
        foreach (var loss in step.Losses.Where(loss => loss.Trains is { } trains && !weights.Keys.Any(trains)))
        {
            throw new UserException($"The loss '{loss.Name}' of the own step trains none of the weights {string.Join(", ", weights.Keys)}.");
        }
    }

    /// <summary>The figures of an epoch besides the whole loss: the step's losses, where there are several, and the script's metrics.</summary>
    public static IReadOnlyList<string> FigureNames(TrainPlan plan, OwnStep step) =>
    [
        .. step.Losses.Count > 1 ? step.Losses.Select(static loss => "loss_" + loss.Name) : [],
        .. plan.Metrics.Select(static metric => metric.Figure),
    ];

    /// <summary>Adds a slice's share of the gradient to the arena's.</summary>
    /// <param name="inputs">Of the network.</param>
    /// <param name="targets">Of the data set.</param>
    /// <param name="count">Samples of the slice.</param>
    /// <param name="samples">Samples of all that makes the step, over all workers.</param>
    /// <returns>The sum of the weighted losses over the slice's samples, and of each further figure, up to the next slice: scalars.</returns>
    public (Tensor Loss, IReadOnlyList<Tensor> Figures) BackPropagate(
        IReadOnlyList<Tensor> inputs, IReadOnlyList<Tensor> targets, int count, long samples)
    {
        slice.Begin(inputs, targets, count);
        using var before = arena.Gradients.clone();
        arena.Gradients.zero_();
        var losses = Forward();
        if (!TrainAny(losses)) throw new UserException("No loss of the own step depends on a trained weight.");

        step.Backward(slice, losses);
        using var gradless = no_grad();
        if (count == 0)
        {
            // What comes of no samples is nothing, even where it was computed as 0·NaN.
            arena.Gradients.zero_();
        }

        arena.Gradients.div_(Scalars.Of(samples)).add_(before, Scalars.Of(1));
        return Sums(losses);
    }

    /// <summary>The sum of the weighted losses over validation samples, and of each further figure, up to the next batch: scalars.</summary>
    public (Tensor Loss, IReadOnlyList<Tensor> Figures) Evaluate(IReadOnlyList<Tensor> inputs, IReadOnlyList<Tensor> targets, int count)
    {
        slice.Begin(inputs, targets, count);
        return Sums(Forward());
    }

    /// <summary>Lets the step change the gradient of the whole batch.</summary>
    public void Reduced()
    {
        using var gradless = no_grad();
        step.Reduced(gradients);
    }

    private Dictionary<string, Tensor> ByName(IReadOnlyList<Tensor> tensors) =>
        plan.Network.Weights.Zip(tensors).ToDictionary(static pair => pair.First.Name, static pair => pair.Second, StringComparer.Ordinal);

    private IReadOnlyList<Tensor> Forward()
    {
        var losses = step.Forward(slice);
        if (losses.Count != step.Losses.Count)
        {
            throw new UserException($"The own step has {step.Losses.Count} losses, but its forward pass gave {losses.Count}.");
        }

        for (var i = 0; i < losses.Count; i++)
        {
            if (losses[i].dim() == 1 && losses[i].size(0) == slice.Count) continue;
            throw new UserException(
                $"The loss '{step.Losses[i].Name}' of the own step has the shape [{string.Join(", ", losses[i].shape)}]: it must have one value for each of the {slice.Count} samples, not their sum or mean.");
        }

        return losses;
    }

    private static bool TrainAny(IReadOnlyList<Tensor> losses)
    {
        for (var i = 0; i < losses.Count; i++)
        {
            if (losses[i].requires_grad) return true;
        }

        return false;
    }

    private (Tensor Loss, IReadOnlyList<Tensor> Figures) Sums(IReadOnlyList<Tensor> losses)
    {
        var loss = Weighted(0, losses);
        for (var i = 1; i < losses.Count; i++)
        {
            loss = loss.Plus(Weighted(i, losses));
        }

        var outputs = plan.Metrics.Count > 0 ? slice.Outputs : [];
        var figures = objective.Figures(new BatchTensors(slice.Inputs, outputs, slice.Targets), losses);
        if (figureSums.Length != figures.Count) figureSums = new Tensor[figures.Count];
        for (var i = 0; i < figures.Count; i++)
        {
            figureSums[i] = figures[i].detach().sum();
        }

        return (loss, figureSums);
    }

    private Tensor Weighted(int i, IReadOnlyList<Tensor> losses) => losses[i].detach().sum() * Scalars.Of(step.Losses[i].Weight);
}
