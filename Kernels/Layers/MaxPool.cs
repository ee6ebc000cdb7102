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
    public static Tensor Of(Tensor x, in PoolWindow window)
    {
        var shape = window.OutputShape(x.shape);
        if (is_grad_enabled() && x.requires_grad)
        {
            return apply(x, window, shape);
        }

        using var source = x.contiguous();
        return Pool(source, null, window, shape);
    }

    [SuppressMessage("Design", "CA1062", Justification = "TorchSharp calls this.")]
    public override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        using var source = ((Tensor)vars[0]).contiguous();
        var (window, shape) = ((PoolWindow)vars[1], (long[])vars[2]);
        var winners = empty(shape, dtype: ScalarType.Byte);
        ctx.save_for_backward([winners]);
        ctx.save_data(ContextKey, (window, source.shape));
        return Pool(source, winners, window, shape);
    }

    [SuppressMessage("Design", "CA1062", Justification = "TorchSharp calls this.")]
    public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
    {
        var (window, shape) = ((PoolWindow, long[]))ctx.get_data(ContextKey);
        using var winners = ctx.get_saved_variables()[0];
        using var gradient = grad_output.contiguous();
        var result = empty(shape, dtype: ScalarType.Float32);
        unsafe
        {
            MaxPooling.Backward(
                TensorMemory.Pointer<float>(gradient), TensorMemory.Pointer<byte>(winners), TensorMemory.Pointer<float>(result), shape[0] * shape[1], window);
        }

        return [result, null!, null!];
    }

    private static unsafe Tensor Pool(Tensor x, Tensor? winners, in PoolWindow window, long[] shape)
    {
        var y = empty(shape, dtype: ScalarType.Float32);
        MaxPooling.Forward(
            TensorMemory.Pointer<float>(x), TensorMemory.Pointer<float>(y), winners is null ? null : TensorMemory.Pointer<byte>(winners), shape[0] * shape[1], window);
        return y;
    }
}
