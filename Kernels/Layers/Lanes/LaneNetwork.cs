using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

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
    private readonly Stack<LaneValues> spare = [];

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
    }

    /// <summary>The output of samples: (N, O, H, W), H and W 1 behind a dense layer.</summary>
    /// <param name="samples">(N, C, H, W) or anything of as many elements; N may be 0.</param>
    /// <param name="step">Joins the ranks' statistics, and keeps what goes wrong in the backward pass.</param>
    /// <exception cref="CollectiveException">A peer is gone or late.</exception>
    /// <exception cref="ArgumentException">The samples are of another size, or no float32 numbers on the CPU.</exception>
    public Tensor Run(Tensor samples, StepContext step)
    {
        Check(samples);
        return is_grad_enabled() && (trained is not null || samples.requires_grad)
            ? LaneFunction.Of(this, samples, trained, step)
            : Forward(samples, step, out _, keep: false);
    }

    public void Dispose()
    {
        foreach (var values in spare)
        {
            values.Dispose();
        }

        run.Dispose();
    }

    /// <param name="samples">N samples.</param>
    /// <param name="step">Joins the ranks.</param>
    /// <param name="values">What the backward pass reads, if it is kept.</param>
    /// <param name="keep">Whether there will be a backward pass.</param>
    internal Tensor Forward(Tensor samples, StepContext step, out LaneValues? values, bool keep)
    {
        values = null;
        var used = spare.TryPop(out var found) ? found : new LaneValues();
        Take(used, samples);
        run.Forward(new ReadOnlySpan<LaneValues>(in used), step, shards: null);
        var output = Give(used);
        if (keep)
        {
            values = used;
        }
        else
        {
            spare.Push(used);
        }

        return output;
    }

    /// <summary>Takes the values back for a later pass.</summary>
    /// <returns>The input's gradient, if it is needed.</returns>
    internal unsafe Tensor? Backward(LaneValues values, StepContext step, Tensor outputGradient, bool needsInput)
    {
        var slices = new ReadOnlySpan<LaneValues>(in values);
        run.BeginBackward(slices, needsInput);
        TakeGradient(values, outputGradient);
        run.Backward(slices, step, shards: null, needsInput);
        var gradient = needsInput ? empty([values.Samples, input.Channels, input.Height, input.Width], dtype: ScalarType.Float32) : null;
        if (gradient is not null) run.GiveGradient(values, PointerOf(gradient));
        spare.Push(values);
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

    /// <summary>Where the elements begin; of none, nowhere.</summary>
    private static unsafe float* PointerOf(Tensor tensor) => tensor.numel() == 0 ? null : TensorMemory.Pointer<float>(tensor);
}

/// <summary>A lane network as autograd sees it.</summary>
internal sealed class LaneFunction : SingleTensorFunction<LaneFunction>
{
    private const string Key = "pass";

    public override string Name => nameof(LaneFunction);

    /// <param name="network">What computes.</param>
    /// <param name="samples">Its input.</param>
    /// <param name="trained">A weight: the output depends on it, whether the input needs a gradient or not.</param>
    /// <param name="step">Keeps what goes wrong in the backward pass.</param>
    public static Tensor Of(LaneNetwork network, Tensor samples, Tensor? trained, StepContext step) =>
        apply(samples, trained ?? samples, new Pass(network, step, samples.requires_grad, samples.shape));

    public override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        var pass = (Pass)vars[2];
        ctx.save_data(Key, pass);
        var output = pass.Network.Forward((Tensor)vars[0], pass.Step, out var values, keep: true);
        pass.Values = values;
        return output;
    }

    public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
    {
        var pass = (Pass)ctx.get_data(Key);
        try
        {
            return [pass.Backward(grad_output)!, null!, null!];
        }
        catch (Exception e)
        {
            // Native code called this: the exception waits in the step until backward has returned.
            pass.Step.Fail(e);
            return [pass.NeedsInput ? zeros(pass.Shape, dtype: ScalarType.Float32) : null!, null!, null!];
        }
    }

    private sealed class Pass(LaneNetwork network, StepContext step, bool needsInput, long[] shape)
    {
        public LaneNetwork Network => network;

        public StepContext Step => step;

        public bool NeedsInput => needsInput;

        public long[] Shape => shape;

        public LaneValues? Values { get; set; }

        public Tensor? Backward(Tensor outputGradient)
        {
            var values = Values ?? throw new InvalidOperationException("A forward pass in lanes has one backward pass.");
            Values = null;
            return network.Backward(values, step, outputGradient, needsInput)?.reshape(shape);
        }
    }
}
