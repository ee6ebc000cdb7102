using CnnCluster.Dsl;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Layers;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Training;

/// <summary>What a step of one's own gets: this worker's samples of a batch, and the network.</summary>
/// <remarks>
/// A worker has one, which is filled anew for every slice, so that a step makes none. What it gives, lists included, holds
/// until the step has ended, and is the next slice's then. One thread at a time, the step's.
/// </remarks>
public sealed class StepSlice
{
    private const int UsualAxes = 8;

    private readonly NetworkModule module;
    private readonly TrainedWeights trained;
    private readonly PassOutputs passes;
    private IReadOnlyList<Tensor>? outputs;

    /// <param name="module">The network.</param>
    /// <param name="weights">What is trained of it, by name.</param>
    /// <param name="gradients">The gradient of each of them.</param>
    internal StepSlice(NetworkModule module, IReadOnlyDictionary<string, Tensor> weights, IReadOnlyDictionary<string, Tensor> gradients)
    {
        (this.module, Weights, Gradients) = (module, weights, gradients);
        trained = new TrainedWeights(weights);
        passes = new PassOutputs(module);
    }

    /// <summary>Samples of this slice, n below; 0 where there are more workers than samples.</summary>
    public int Count { get; private set; }

    /// <summary>(n, C, sides…) for each of the network's inputs, numbers from 0 to 1.</summary>
    public IReadOnlyList<Tensor> Inputs { get; private set; } = [];

    /// <summary>The data set's targets: classes as int64 (n), numbers (n, count).</summary>
    public IReadOnlyList<Tensor> Targets { get; private set; } = [];

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
    /// numbers in every pass of a step; each training pass adds its statistics to batch normalisation's running ones, as
    /// each in PyTorch does. Where a layer takes statistics all workers exchange them, forward and backward: each makes the same
    /// passes in the same order, with an empty slice too.
    /// </summary>
    public IReadOnlyList<Tensor> Run(params IReadOnlyList<Tensor> inputs) => passes.Of(inputs);

    /// <summary>
    /// Standard normal numbers, (n, shape…): a pure function of the run's seed, the name, the step and each sample's
    /// place in the batch, so that they do not depend on the number of workers. libtorch's own generators would.
    /// </summary>
    public Tensor Normal(string name, params long[] shape)
    {
        Span<long> sides = shape.Length < UsualAxes ? stackalloc long[shape.Length + 1] : new long[shape.Length + 1];
        sides[0] = Count;
        shape.CopyTo(sides[1..]);
        var numbers = empty(sides, dtype: ScalarType.Float32);
        if (numbers.numel() > 0) Fill(TensorMemory.Span<float>(numbers), name);
        var images = Inputs[0];
        return OwnKernels.Take(images) ? numbers : numbers.to(images.dtype, images.device);
    }

    /// <summary>The weights that a loss changes in this step.</summary>
    internal Tensor[] TrainedBy(OwnLoss loss) => trained.By(loss);

    /// <summary>Becomes another.</summary>
    internal void Begin(IReadOnlyList<Tensor> inputs, IReadOnlyList<Tensor> targets, int count)
    {
        (Inputs, Targets, Count, outputs) = (inputs, targets, count, null);
        passes.Begin();
    }

    private void Fill(Span<float> numbers, string name)
    {
        var step = module.Step;
        var key = RandomKey.Of(step.Seed, RandomPurpose.Noise, "own-step/", name);
        var each = numbers.Length / Count;
        for (var i = 0; i < numbers.Length; i++)
        {
            var row = CounterRandom.Row(step.Step, step.FirstSample + (i / each));
            numbers[i] = (float)CounterRandom.Normal(key, row, (ulong)(i % each));
        }
    }
}
