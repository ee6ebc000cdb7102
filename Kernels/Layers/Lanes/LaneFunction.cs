using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>A lane network as autograd sees it.</summary>
internal sealed class LaneFunction : SingleTensorFunction<LaneFunction>
{
    private const string Key = "pass";

    public override string Name => nameof(LaneFunction);

    /// <param name="pass">A new one.</param>
    /// <param name="samples">Its input.</param>
    /// <param name="trained">A weight: the output depends on it, whether the input needs a gradient or not.</param>
    public static Tensor Of(LanePass pass, Tensor samples, Tensor? trained)
    {
        var y = apply(samples, trained ?? samples, pass);
        GC.KeepAlive(samples);
        return y;
    }

    public override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        var pass = (LanePass)vars[2];
        ctx.save_data(Key, pass);
        return FunctionTensors.Output(pass.Network.Forward(pass, (Tensor)vars[0]));
    }

    public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
    {
        var pass = (LanePass)ctx.get_data(Key);
        try
        {
            return FunctionTensors.Gradients([pass.Network.Backward(pass, grad_output)!, null!, null!]);
        }
        catch (Exception e)
        {
            // Native code called this: the exception waits in the step until backward has returned.
            pass.Step.Fail(e);
            return FunctionTensors.Gradients([pass.NeedsInput ? zeros(pass.Shape, dtype: ScalarType.Float32) : null!, null!, null!]);
        }
    }
}

/// <summary>One pass through a lane network, until its backward pass.</summary>
public sealed class LanePass
{
    private readonly LaneNetwork network;
    private StepContext? step;

    internal LanePass(LaneNetwork network) => this.network = network;

    internal LaneNetwork Network => network;

    internal LaneValues Values { get; } = new();

    internal StepContext Step => step ?? throw new InvalidOperationException("The pass has not begun.");

    /// <summary>Whether the input's gradient is needed.</summary>
    internal bool NeedsInput { get; private set; }

    /// <summary>The input's.</summary>
    internal long[] Shape { get; private set; } = [];

    /// <summary>Whether its backward pass is still to come.</summary>
    internal bool Waits { get; set; }

    internal void Begin(Tensor samples, StepContext next)
    {
        (step, NeedsInput, Waits) = (next, samples.requires_grad, false);
        if (Shape.Length != samples.dim()) Shape = new long[samples.dim()];
        for (var axis = 0; axis < Shape.Length; axis++)
        {
            Shape[axis] = samples.size(axis);
        }
    }
}
