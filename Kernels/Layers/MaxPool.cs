using System.Diagnostics.CodeAnalysis;
using CnnCluster.Kernels.Tracing;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace CnnCluster.Kernels.Layers;

/// <summary>Max-pooling as a step of the network, with its gradient.</summary>
public sealed class MaxPool : SingleTensorFunction<MaxPool>
{
    private const string ContextKey = "pooled";

    public override string Name => nameof(MaxPool);

    /// <summary>Whether the kernel has this window: one of at most 255 elements.</summary>
    public static bool Takes(Tensor x, in PoolWindow window) => OwnKernels.Take(x) && window.Elements <= MaxPooling.MostElements;

    /// <summary>The greatest element of each window; padding never wins.</summary>
    /// <param name="x">(N, C, sides…), float32 on the CPU, with the sides that the windows are of; N may be 0.</param>
    /// <param name="call">The windows.</param>
    /// <param name="step">Keeps what goes wrong in the backward pass.</param>
    public static Tensor Of(Tensor x, PoolCall call, StepContext step)
    {
        if (is_grad_enabled() && x.requires_grad)
        {
            var y = apply(x, call, step);
            GC.KeepAlive(x);
            return y;
        }

        using var source = ChannelOrder.InOrder(x);
        return Pool(source, null, call.For(source, step));
    }

    [SuppressMessage("Design", "CA1062", Justification = "TorchSharp calls this.")]
    public override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        using var source = ChannelOrder.InOrder((Tensor)vars[0]);
        var pass = ((PoolCall)vars[1]).For(source, (StepContext)vars[2]);
        var winners = empty(pass.Output, dtype: ScalarType.Byte);
        ctx.save_for_backward([winners]);
        ctx.save_data(ContextKey, pass);
        return FunctionTensors.Output(Pool(source, winners, pass));
    }

    [SuppressMessage("Design", "CA1062", Justification = "TorchSharp calls this.")]
    public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
    {
        var pass = (PoolPass)ctx.get_data(ContextKey);
        using var span = Trace.Span(pass.Layer, TraceCategory.Backward);
        try
        {
            using var winners = ctx.get_saved_variables()[0];
            return FunctionTensors.Gradients([InputGradient(pass, winners, grad_output), null!, null!]);
        }
        catch (Exception e)
        {
            // Native code called this: the exception waits in the step until backward has returned.
            pass.Step.Fail(e);
            return FunctionTensors.Gradients([zeros(pass.Input, dtype: ScalarType.Float32), null!, null!]);
        }
    }

    private static Tensor InputGradient(PoolPass pass, Tensor winners, Tensor outputGradient)
    {
        var result = ChannelOrder.Empty(pass.Input, pass.IsChannelsLast);
        using var gradient = ChannelOrder.InOrderOf(result, outputGradient);
        Spread(gradient, winners, result, pass.Window);
        return result;
    }

    private static unsafe Tensor Pool(Tensor x, Tensor? winners, PoolPass pass)
    {
        var y = ChannelOrder.Empty(pass.Output, pass.IsChannelsLast);
        var (samples, channels) = ((int)pass.Output[0], (int)pass.Output[1]);
        var places = winners is null ? null : TensorMemory.Pointer<byte>(winners);
        if (pass.IsChannelsLast)
        {
            PixelPooling.Forward(ChannelOrder.Memory(x), ChannelOrder.Memory(y), places, samples, channels, pass.Window);
        }
        else
        {
            MaxPooling.Forward(ChannelOrder.Memory(x), ChannelOrder.Memory(y), places, (long)samples * channels, pass.Window);
        }

        return y;
    }

    private static unsafe void Spread(Tensor gradient, Tensor winners, Tensor result, in PoolWindow window)
    {
        var (samples, channels) = ((int)result.size(0), (int)result.size(1));
        var places = TensorMemory.Pointer<byte>(winners);
        if (ChannelOrder.IsChannelsLast(result))
        {
            PixelPooling.Backward(ChannelOrder.Memory(gradient), places, ChannelOrder.Memory(result), samples, channels, window);
        }
        else
        {
            MaxPooling.Backward(ChannelOrder.Memory(gradient), places, ChannelOrder.Memory(result), (long)samples * channels, window);
        }
    }
}
