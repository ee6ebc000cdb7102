using System.Diagnostics.CodeAnalysis;
using CnnCluster.Kernels.Tracing;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace CnnCluster.Kernels.Layers.Winograd;

/// <summary>A <see cref="WinogradLayer"/> as autograd sees it. There is no gradient of the gradient.</summary>
internal sealed class WinogradConvolution : SingleTensorFunction<WinogradConvolution>
{
    private const string ContextKey = "pass";

    public override string Name => nameof(WinogradConvolution);

    public static Tensor Of(Tensor x, Tensor kernel, Tensor? bias, WinogradPass pass)
    {
        var y = apply(x, kernel, bias!, pass);
        GC.KeepAlive(x);
        return y;
    }

    [SuppressMessage("Design", "CA1062", Justification = "TorchSharp calls this.")]
    public override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        var (kernel, pass) = ((Tensor)vars[1], (WinogradPass)vars[3]);
        var source = WinogradLayer.InOrder((Tensor)vars[0]);
        var y = pass.Layer.Forward(source, kernel, (Tensor?)vars[2], pass.Relu);
        ctx.save_data(ContextKey, pass);
        // What is saved of the output has no history: one that had would keep itself.
        ctx.save_for_backward(pass.Relu ? [source, kernel, y.detach()] : [source, kernel]);
        return FunctionTensors.Output(y);
    }

    [SuppressMessage("Design", "CA1062", Justification = "TorchSharp calls this.")]
    public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
    {
        var pass = (WinogradPass)ctx.get_data(ContextKey);
        using var span = Trace.Span(pass.Name, TraceCategory.Backward);
        var saved = ctx.get_saved_variables();
        try
        {
            return FunctionTensors.Gradients(Gradients(pass, saved, grad_output));
        }
        catch (Exception e)
        {
            // Native code called this: the exception waits in the step until backward has returned.
            pass.Step.Fail(e);
            return FunctionTensors.Gradients(
            [
                pass.OfInput ? zeros_like(saved[0]) : null!,
                pass.OfKernel ? zeros_like(saved[1]) : null!,
                pass.OfBias ? zeros([pass.Layer.Shape.Filters], dtype: ScalarType.Float32) : null!,
                null!,
            ]);
        }
        finally
        {
            saved.ForEach(static tensor => tensor.Dispose());
        }
    }

    private static unsafe List<Tensor> Gradients(WinogradPass pass, List<Tensor> saved, Tensor outputGradient)
    {
        var (x, kernel) = (saved[0], saved[1]);
        var shape = pass.Layer.Shape;
        using var given = WinogradLayer.InOrder(outputGradient);
        using var rectified = pass.Relu ? pass.Layer.EmptyOutput(given.size(0)) : null;
        var bias = pass.OfBias ? zeros([shape.Filters], dtype: ScalarType.Float32) : null;
        if ((pass.Relu || pass.OfBias) && given.numel() > 0)
        {
            OutputGradients.Run(
                pass.Layer.Scratch.Width,
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
            pass.OfInput ? pass.Layer.InputGradient(gradient, kernel) : null!,
            pass.OfKernel ? pass.Layer.KernelGradient(x, gradient) : null!,
            bias!,
            null!,
        ];
    }
}

/// <summary>What a pass of such a convolution, and its backward pass, must know besides the tensors.</summary>
internal sealed record WinogradPass(WinogradLayer Layer, bool Relu, StepContext Step, bool OfInput, bool OfKernel, bool OfBias, string Name)
{
    /// <summary>Whether another pass of the layer needs to know no more.</summary>
    public bool IsLike(bool relu, StepContext step, bool ofInput, bool ofKernel, bool ofBias) =>
        Relu == relu && Step == step && OfInput == ofInput && OfKernel == ofKernel && OfBias == ofBias;
}
