using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>
/// Layers in a row, as one step of a network on the CPU: convolutions with bias and batch normalisations, with ReLU and 2×2
/// max-pooling behind them, and dense layers with bias and ReLU, computed 16 samples at a time (docs/adr/0009).
/// </summary>
/// <remarks>
/// Float32. Backward adds to the weights' gradients where they lie, and not through autograd, once for each forward pass;
/// there is no gradient of the gradient. All calls come from one thread.
/// </remarks>
public sealed class LaneNetwork : IDisposable
{
    private readonly LaneShape input;
    private readonly LaneRun run;
    private readonly Tensor? trained;
    private readonly Stack<LanePass> spare = [];

    /// <param name="input">The shape of one sample.</param>
    /// <param name="layers">At least one; each takes the one before it.</param>
    /// <exception cref="ArgumentException">A weight is no contiguous float32 tensor on the CPU.</exception>
    public LaneNetwork(LaneShape input, IReadOnlyList<LaneLayer> layers)
        : this(input, layers, width: null)
    {
    }

    /// <summary>The same in registers of some width.</summary>
    internal LaneNetwork(LaneShape input, IReadOnlyList<LaneLayer> layers, RegisterWidth? width)
    {
        this.input = input;
        run = new LaneRun(input, layers, width);
        var weights = layers.SelectMany(LaneLayer.WeightsOf).ToList();
        if (weights.Any(static w => w.Value.dtype != ScalarType.Float32))
        {
            throw new ArgumentException("Lanes compute with float32 weights alone.", nameof(layers));
        }

        trained = weights.FirstOrDefault(static w => w.Gradient is not null)?.Value;
        Name = $"{layers[0].Path} to {layers[^1].LastPath}";
    }

    /// <summary>Its first layer and its last, as a trace calls it.</summary>
    public string Name { get; }

    /// <summary>The output of samples: (N, O, H, W), H and W 1 behind a dense layer.</summary>
    /// <param name="samples">(N, C, H, W) or anything of as many elements; N may be 0.</param>
    /// <param name="step">Joins the ranks' statistics, and keeps what goes wrong in the backward pass.</param>
    /// <exception cref="CollectiveException">A peer is gone or late.</exception>
    /// <exception cref="ArgumentException">The samples are of another size, or no float32 numbers on the CPU.</exception>
    public Tensor Run(Tensor samples, StepContext step)
    {
        Check(samples);
        return is_grad_enabled() && (trained is not null || samples.requires_grad)
            ? LaneFunction.Of(NewPass(samples, step), samples, trained)
            : Forward(samples, step);
    }

    /// <summary>The same without autograd, for one backward pass: <see cref="Backward(LanePass, Tensor)"/>.</summary>
    /// <param name="samples">As in <see cref="Run"/>; no gradient of theirs is made.</param>
    /// <param name="step">As in <see cref="Run"/>.</param>
    /// <param name="pass">What the backward pass is of.</param>
    /// <exception cref="CollectiveException">A peer is gone or late.</exception>
    /// <exception cref="ArgumentException">As in <see cref="Run"/>.</exception>
    public Tensor Forward(Tensor samples, StepContext step, out LanePass pass)
    {
        Check(samples);
        pass = NewPass(samples, step);
        return Forward(pass, samples);
    }

    public void Dispose()
    {
        foreach (var pass in spare)
        {
            pass.Values.Dispose();
        }

        run.Dispose();
    }

    /// <summary>The output of a pass that waits for its backward pass then.</summary>
    internal Tensor Forward(LanePass pass, Tensor samples)
    {
        var values = pass.Values;
        Take(values, samples);
        run.Forward(new ReadOnlySpan<LaneValues>(in values), pass.Step, shards: null);
        pass.Waits = true;
        return Give(values);
    }

    /// <summary>Adds to the weights' gradients. It ends the pass, which may be another's then.</summary>
    /// <param name="pass">From the forward pass.</param>
    /// <param name="outputGradient">As its output.</param>
    /// <returns>The input's gradient, if it is needed.</returns>
    /// <exception cref="CollectiveException">A peer is gone or late.</exception>
    public unsafe Tensor? Backward(LanePass pass, Tensor outputGradient)
    {
        if (!pass.Waits) throw new InvalidOperationException("A forward pass in lanes has one backward pass.");
        pass.Waits = false;
        var values = pass.Values;
        var slices = new ReadOnlySpan<LaneValues>(in values);
        run.BeginBackward(slices, pass.NeedsInput);
        TakeGradient(values, outputGradient);
        run.Backward(slices, pass.Step, shards: null, pass.NeedsInput);
        var gradient = pass.NeedsInput ? empty(pass.Shape, dtype: ScalarType.Float32) : null;
        if (gradient is not null) run.GiveGradient(values, PointerOf(gradient));
        spare.Push(pass);
        return gradient;
    }

    /// <summary>What computes, of one network's layers at a time.</summary>
    internal LaneRun Layers => run;

    /// <summary>Takes samples in.</summary>
    /// <exception cref="ArgumentException">As for <see cref="Run"/>.</exception>
    internal unsafe void Take(LaneValues slice, Tensor samples)
    {
        using var contiguous = samples.detach().contiguous();
        run.Take(slice, PointerOf(contiguous), samples.size(0));
    }

    /// <summary>A slice's output.</summary>
    internal unsafe Tensor Give(LaneValues slice)
    {
        var output = empty([slice.Samples, run.Output.Channels, run.Output.Height, run.Output.Width], dtype: ScalarType.Float32);
        run.Give(slice, PointerOf(output));
        return output;
    }

    internal unsafe void TakeGradient(LaneValues slice, Tensor outputGradient)
    {
        using var contiguous = outputGradient.contiguous();
        run.TakeGradient(slice, PointerOf(contiguous));
    }

    internal void Check(Tensor samples)
    {
        var features = (long)input.Channels * input.Height * input.Width;
        if (samples.numel() != samples.size(0) * features || samples.dtype != ScalarType.Float32)
        {
            throw new ArgumentException(
                $"Samples of {input.Channels}×{input.Height}×{input.Width} float32 numbers are needed; these are [{string.Join(", ", samples.shape)}] of {samples.dtype}.",
                nameof(samples));
        }
    }

    /// <summary>Without a backward pass.</summary>
    private Tensor Forward(Tensor samples, StepContext step)
    {
        var pass = NewPass(samples, step);
        var output = Forward(pass, samples);
        pass.Waits = false;
        spare.Push(pass);
        return output;
    }

    /// <summary>From step to step the same ones: a network makes as many as have been under way at once.</summary>
    private LanePass NewPass(Tensor samples, StepContext step)
    {
        var pass = spare.TryPop(out var found) ? found : new LanePass(this);
        pass.Begin(samples, step);
        return pass;
    }

    /// <summary>Where the elements begin; of none, nowhere.</summary>
    private static unsafe float* PointerOf(Tensor tensor) => tensor.numel() == 0 ? null : TensorMemory.Pointer<float>(tensor);
}
