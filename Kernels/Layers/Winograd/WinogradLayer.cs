using CnnCluster.Kernels.Layers.Lanes;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Layers.Winograd;

/// <summary>
/// A convolution of a network that is computed two by two results at once (docs/adr/0013): 3×3, with stride 1, between
/// images of even sides and channels in multiples of 16; with its bias, and the ReLU behind it.
/// </summary>
public sealed class WinogradLayer
{
    private readonly WinogradShape turned;

    // One reference, so that threads which share a layer see it whole.
    private WinogradPass? last;

    private WinogradLayer(WinogradShape shape, WinogradScratch scratch) => (Shape, turned, Scratch) = (shape, shape.Turned, scratch);

    internal WinogradShape Shape { get; }

    internal WinogradScratch Scratch { get; }

    /// <summary>The layer of a convolution, or none if it is not of that kind.</summary>
    /// <param name="geometry">The window.</param>
    /// <param name="channels">Of the input.</param>
    /// <param name="filters">Of the output.</param>
    /// <param name="input">The input's sides.</param>
    /// <param name="scratch">The network's memory to work in.</param>
    public static WinogradLayer? Of(ConvolutionGeometry geometry, int channels, int filters, Axes input, WinogradScratch scratch)
    {
        ArgumentNullException.ThrowIfNull(geometry);
        var output = geometry.OutputOf(input);
        var one = new Axes(1, 1);
        var fits = geometry.Kernel == new Axes(3, 3) && geometry.Stride == one && geometry.Dilation == one
            && AreEven(input) && AreEven(output) && channels % LaneLayout.Samples == 0 && filters % LaneLayout.Samples == 0
            && geometry.Before is { Height: <= 2, Width: <= 2 };
        return fits ? new WinogradLayer(new WinogradShape(channels, filters, input, output, geometry.Before), scratch) : null;
    }

    /// <summary>max(0, x ∗ kernel + bias), or without max.</summary>
    /// <param name="x">(N, C, H, W), float32 on the CPU; N may be 0.</param>
    /// <param name="kernel">(K, C, 3, 3).</param>
    /// <param name="bias">(K), or null.</param>
    /// <param name="relu">Whether max(0, x) follows.</param>
    /// <param name="step">Keeps what goes wrong in the backward pass.</param>
    /// <returns>(N, K, H, W), with the channels side by side.</returns>
    public Tensor Run(Tensor x, Tensor kernel, Tensor? bias, bool relu, StepContext step)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(kernel);
        if (is_grad_enabled() && (x.requires_grad || kernel.requires_grad || bias is { requires_grad: true }))
        {
            return WinogradConvolution.Of(x, kernel, bias, PassOf(x, kernel, bias, relu, step));
        }

        using var source = InOrder(x);
        return Forward(source, kernel, bias, relu);
    }

    /// <summary>An image with its channels side by side; a handle of its own.</summary>
    internal static Tensor InOrder(Tensor x) => ChannelOrder.IsChannelsLast(x) ? x.alias() : ChannelOrder.ChannelsLast(x);

    /// <param name="x">With its channels side by side.</param>
    /// <param name="kernel">(K, C, 3, 3).</param>
    /// <param name="bias">(K), or null.</param>
    /// <param name="relu">Whether max(0, x) follows.</param>
    internal unsafe Tensor Forward(Tensor x, Tensor kernel, Tensor? bias, bool relu)
    {
        var y = EmptyOutput(x.size(0));
        if (x.numel() == 0) return y;
        var added = bias is null ? null : TensorMemory.Pointer<float>(bias);
        WinogradKernels.Convolve(
            Shape, Scratch, x.size(0), ChannelOrder.Memory(x), TensorMemory.Pointer<float>(kernel), turned: false, added, relu, ChannelOrder.Memory(y));
        return y;
    }

    /// <summary>Room for the output of so many samples.</summary>
    internal Tensor EmptyOutput(long samples) => ChannelOrder.Empty([samples, Shape.Filters, Shape.Output.Height, Shape.Output.Width], isChannelsLast: true);

    /// <param name="gradient">The output's, with its channels side by side.</param>
    /// <param name="kernel">(K, C, 3, 3).</param>
    internal unsafe Tensor InputGradient(Tensor gradient, Tensor kernel)
    {
        var result = ChannelOrder.Empty([gradient.size(0), Shape.Channels, Shape.Input.Height, Shape.Input.Width], isChannelsLast: true);
        if (gradient.numel() == 0) return result;
        WinogradKernels.Convolve(
            turned, Scratch, gradient.size(0), ChannelOrder.Memory(gradient), TensorMemory.Pointer<float>(kernel), turned: true, bias: null, relu: false, ChannelOrder.Memory(result));
        return result;
    }

    /// <param name="x">With its channels side by side.</param>
    /// <param name="gradient">The output's, likewise.</param>
    internal unsafe Tensor KernelGradient(Tensor x, Tensor gradient)
    {
        var result = zeros([Shape.Filters, Shape.Channels, 3, 3], dtype: ScalarType.Float32);
        if (gradient.numel() == 0) return result;
        WinogradKernels.KernelGradient(Shape, Scratch, x.size(0), ChannelOrder.Memory(x), ChannelOrder.Memory(gradient), TensorMemory.Pointer<float>(result));
        return result;
    }

    /// <summary>In most networks a pass is like the one before.</summary>
    private WinogradPass PassOf(Tensor x, Tensor kernel, Tensor? bias, bool relu, StepContext step)
    {
        var (ofInput, ofKernel, ofBias) = (x.requires_grad, kernel.requires_grad, bias is { requires_grad: true });
        return last is { } kept && kept.IsLike(relu, step, ofInput, ofKernel, ofBias)
            ? kept
            : last = new WinogradPass(this, relu, step, ofInput, ofKernel, ofBias, step.Layer);
    }

    private static bool AreEven(Axes sides) => sides is { Height: >= 2, Width: >= 2 } && sides.Height % 2 == 0 && sides.Width % 2 == 0;
}
