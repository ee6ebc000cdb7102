using static TorchSharp.torch;

namespace CnnCluster.Kernels.Layers;

/// <summary>A pooling layer's windows, with what the passes over inputs of one shape have in common: it is made once.</summary>
/// <param name="window">The windows; the depth's axis is <see cref="PoolAxis.Single"/> for images, the height's too for rows.</param>
public sealed class PoolCall(PoolWindow window)
{
    // A reference each, so that threads which share a layer see them whole. They are two, as a batch's slices may differ by a sample.
    private PoolPass? last;
    private PoolPass? before;

    public PoolWindow Window => window;

    /// <summary>What a pass over an input is.</summary>
    /// <param name="source">(N, C, sides…), in one of the two orders.</param>
    /// <param name="step">Keeps what goes wrong in the backward pass.</param>
    internal PoolPass For(Tensor source, StepContext step)
    {
        var isChannelsLast = ChannelOrder.IsChannelsLast(source);
        if (last is { } one && one.IsOf(source, isChannelsLast, step)) return one;
        if (before is { } other && other.IsOf(source, isChannelsLast, step)) return other;
        var shape = source.shape;
        before = last;
        return last = new PoolPass(window, shape, window.OutputShape(shape), isChannelsLast, step, step.Layer);
    }
}

/// <summary>What a pass of max-pooling, and its backward pass, must know besides the tensors.</summary>
internal sealed record PoolPass(PoolWindow Window, long[] Input, long[] Output, bool IsChannelsLast, StepContext Step, string Layer)
{
    /// <summary>Whether an input that the windows fit has the input's shape and order, in this step.</summary>
    public bool IsOf(Tensor source, bool isChannelsLast, StepContext step) =>
        Step == step && IsChannelsLast == isChannelsLast && source.dim() == Input.Length && source.size(0) == Input[0] && source.size(1) == Input[1];
}
