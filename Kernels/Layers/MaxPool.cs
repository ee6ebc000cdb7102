using System.Diagnostics.CodeAnalysis;
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
    /// <param name="x">(N, C, sides…), float32 on the CPU; N may be 0.</param>
    /// <param name="window">The windows; the depth's axis is <see cref="PoolAxis.Single"/> for images, the height's too for rows.</param>
    /// <param name="step">Keeps what goes wrong in the backward pass.</param>
    public static Tensor Of(Tensor x, in PoolWindow window, StepContext step)
    {
        var shape = window.OutputShape(x.shape);
        if (is_grad_enabled() && x.requires_grad)
        {
            return apply(x, window, shape, step);
        }

        using var source = ChannelOrder.InOrder(x);
        return Pool(source, null, window, shape);
    }

    [SuppressMessage("Design", "CA1062", Justification = "TorchSharp calls this.")]
    public override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        using var source = ChannelOrder.InOrder((Tensor)vars[0]);
        var (window, shape) = ((PoolWindow)vars[1], (long[])vars[2]);
        var winners = empty(shape, dtype: ScalarType.Byte);
        ctx.save_for_backward([winners]);
        ctx.save_data(ContextKey, new Saved(window, source.shape, ChannelOrder.IsChannelsLast(source), (StepContext)vars[3]));
        return Pool(source, winners, window, shape);
    }

    [SuppressMessage("Design", "CA1062", Justification = "TorchSharp calls this.")]
    public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
    {
        var saved = (Saved)ctx.get_data(ContextKey);
        try
        {
            using var winners = ctx.get_saved_variables()[0];
            return [InputGradient(saved, winners, grad_output), null!, null!, null!];
        }
        catch (Exception e)
        {
            // Native code called this: the exception waits in the step until backward has returned.
            saved.Step.Fail(e);
            return [zeros(saved.Shape, dtype: ScalarType.Float32), null!, null!, null!];
        }
    }

    private static Tensor InputGradient(Saved saved, Tensor winners, Tensor outputGradient)
    {
        var result = ChannelOrder.Empty(saved.Shape, saved.IsChannelsLast);
        using var gradient = ChannelOrder.InOrderOf(result, outputGradient);
        Spread(gradient, winners, result, saved.Window);
        return result;
    }

    private static unsafe Tensor Pool(Tensor x, Tensor? winners, in PoolWindow window, long[] shape)
    {
        var isChannelsLast = ChannelOrder.IsChannelsLast(x);
        var y = ChannelOrder.Empty(shape, isChannelsLast);
        var (samples, channels) = ((int)shape[0], (int)shape[1]);
        var places = winners is null ? null : TensorMemory.Pointer<byte>(winners);
        if (isChannelsLast)
        {
            PixelPooling.Forward(ChannelOrder.Memory(x), ChannelOrder.Memory(y), places, samples, channels, window);
        }
        else
        {
            MaxPooling.Forward(ChannelOrder.Memory(x), ChannelOrder.Memory(y), places, (long)samples * channels, window);
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

    /// <summary>What backward must know of forward.</summary>
    private sealed record Saved(PoolWindow Window, long[] Shape, bool IsChannelsLast, StepContext Step);
}
