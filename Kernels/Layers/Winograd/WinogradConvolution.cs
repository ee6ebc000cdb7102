using System.Diagnostics.CodeAnalysis;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace CnnCluster.Kernels.Layers.Winograd;

/// <summary>A <see cref="WinogradLayer"/> as autograd sees it. There is no gradient of the gradient.</summary>
internal sealed class WinogradConvolution : SingleTensorFunction<WinogradConvolution>
{
    private const string ContextKey = "call";

    public override string Name => nameof(WinogradConvolution);

    public static Tensor Of(WinogradLayer layer, Tensor x, Tensor kernel, Tensor? bias, bool relu, StepContext step) => apply(
        x, kernel, bias!, new Call(layer, relu, step, x.requires_grad, kernel.requires_grad, bias is { requires_grad: true }, x.shape));

    [SuppressMessage("Design", "CA1062", Justification = "TorchSharp calls this.")]
    public override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        var (kernel, call) = ((Tensor)vars[1], (Call)vars[3]);
        var source = WinogradLayer.InOrder((Tensor)vars[0]);
        var y = call.Layer.Forward(source, kernel, (Tensor?)vars[2], call.Relu);
        ctx.save_data(ContextKey, call);
        // What is saved of the output has no history: one that had would keep itself.
        ctx.save_for_backward(call.Relu ? [source, kernel, y.detach()] : [source, kernel]);
        return y;
    }

    [SuppressMessage("Design", "CA1062", Justification = "TorchSharp calls this.")]
    public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
    {
        var call = (Call)ctx.get_data(ContextKey);
        var saved = ctx.get_saved_variables();
        try
        {
            return Gradients(call, saved, grad_output);
        }
        catch (Exception e)
        {
            // Native code called this: the exception waits in the step until backward has returned.
            call.Step.Fail(e);
            return
            [
                call.OfInput ? zeros(call.InputShape, dtype: ScalarType.Float32) : null!,
                call.OfKernel ? zeros_like(saved[1]) : null!,
                call.OfBias ? zeros([call.Layer.Shape.Filters], dtype: ScalarType.Float32) : null!,
                null!,
            ];
        }
        finally
        {
            saved.ForEach(static tensor => tensor.Dispose());
        }
    }

    private static unsafe List<Tensor> Gradients(Call call, List<Tensor> saved, Tensor outputGradient)
    {
        var (x, kernel) = (saved[0], saved[1]);
        var shape = call.Layer.Shape;
        using var given = WinogradLayer.InOrder(outputGradient);
        using var rectified = call.Relu ? ChannelOrder.Empty(given.shape, isChannelsLast: true) : null;
        var bias = call.OfBias ? zeros([shape.Filters], dtype: ScalarType.Float32) : null;
        if ((call.Relu || call.OfBias) && given.numel() > 0)
        {
            OutputGradients.Run(
                call.Layer.Scratch.Width,
                ChannelOrder.Memory(given),
                given.size(0),
                shape.Output.Height * shape.Output.Width,
                shape.Filters,
                rectified is null ? null : ChannelOrder.Memory(saved[2]),
                rectified is null ? null : ChannelOrder.Memory(rectified),
                bias is null ? null : TensorMemory.Pointer<float>(bias));
        }

        var gradient = rectified ?? given;
        return
        [
            call.OfInput ? call.Layer.InputGradient(gradient, kernel) : null!,
            call.OfKernel ? call.Layer.KernelGradient(x, gradient) : null!,
            bias!,
            null!,
        ];
    }

    /// <summary>What backward must know of forward besides the tensors.</summary>
    private sealed record Call(WinogradLayer Layer, bool Relu, StepContext Step, bool OfInput, bool OfKernel, bool OfBias, long[] InputShape);
}
