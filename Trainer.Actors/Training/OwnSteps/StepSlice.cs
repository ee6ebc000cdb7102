using CnnCluster.Dsl;
using CnnCluster.Kernels;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Training;

/// <summary>What a step of one's own gets: this worker's samples of a batch, and the network.</summary>
public sealed class StepSlice
{
    private readonly NetworkModule module;
    private IReadOnlyList<Tensor>? outputs;

    internal StepSlice(
        NetworkModule module,
        IReadOnlyDictionary<string, Tensor> weights,
        IReadOnlyDictionary<string, Tensor> gradients,
        IReadOnlyList<Tensor> inputs,
        IReadOnlyList<Tensor> targets,
        int count)
    {
        this.module = module;
        (Weights, Gradients, Inputs, Targets, Count) = (weights, gradients, inputs, targets, count);
    }

    /// <summary>Samples of this slice, n below; 0 where there are more workers than samples.</summary>
    public int Count { get; }

    /// <summary>(n, C, sides…) for each of the network's inputs, numbers from 0 to 1.</summary>
    public IReadOnlyList<Tensor> Inputs { get; }

    /// <summary>The data set's targets: classes as int64 (n), numbers (n, count).</summary>
    public IReadOnlyList<Tensor> Targets { get; }

    /// <summary>What the network makes of the inputs, (n, …) each; computed when it is first asked for. Metrics read it too.</summary>
    public IReadOnlyList<Tensor> Outputs => outputs ??= Run(Inputs);

    /// <summary>The trained weights by name, such as <c>conv1/kernel</c>.</summary>
    public IReadOnlyDictionary<string, Tensor> Weights { get; }

    /// <summary>The gradient of each of them, which <see cref="OwnStep.Backward"/> adds to.</summary>
    public IReadOnlyDictionary<string, Tensor> Gradients { get; }

    /// <summary>False in validation.</summary>
    public bool Training => module.Step.Training;

    /// <summary>
    /// A further pass through the network, on inputs of one's own, n samples each. Dropout and noise draw the same
    /// numbers in every pass of a step; batch normalisation's running statistics move once for each pass, by its own batch.
    /// </summary>
    public IReadOnlyList<Tensor> Run(params IReadOnlyList<Tensor> inputs) => module.Run(inputs);

    /// <summary>
    /// Standard normal numbers, (n, shape…): a pure function of the run's seed, the name, the step and each sample's
    /// place in the batch, so that they do not depend on the number of workers. libtorch's own generators would.
    /// </summary>
    public Tensor Normal(string name, params long[] shape)
    {
        var step = module.Step;
        var key = RandomKey.Of(step.Seed, RandomPurpose.Noise, "own-step/" + name);
        var each = shape.Aggregate(1L, static (product, side) => product * side);
        var numbers = new float[Count * each];
        for (var i = 0L; i < numbers.Length; i++)
        {
            var row = CounterRandom.Row(step.Step, step.FirstSample + (i / each));
            numbers[i] = (float)CounterRandom.Normal(key, row, (ulong)(i % each));
        }

        return tensor(numbers, dtype: ScalarType.Float32).reshape([Count, .. shape]).to(Inputs[0].dtype, Inputs[0].device);
    }
}
