namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>What a run of layers computes, as one of its stages; shapes are those of one sample.</summary>
public abstract record LaneLayer
{
    private LaneLayer()
    {
    }

    /// <summary>A layer's kernel, and its bias if it has one.</summary>
    public static IEnumerable<LaneWeight> WeightsOf(LaneLayer layer) => layer switch
    {
        Convolution c => c.Bias is null ? [c.Kernel] : [c.Kernel, c.Bias],
        Dense d => d.Bias is null ? [d.Kernel] : [d.Kernel, d.Bias],
        _ => throw new ArgumentOutOfRangeException(nameof(layer), layer, "No such layer."),
    };

    /// <param name="Geometry">The window.</param>
    /// <param name="Kernel">(O, C, K, K).</param>
    /// <param name="Bias">(O), or none.</param>
    /// <param name="Ending">What follows at once.</param>
    public sealed record Convolution(
        ConvolutionGeometry Geometry, LaneWeight Kernel, LaneWeight? Bias, ConvolutionEnding Ending) : LaneLayer;

    /// <param name="Kernel">(units, features); the input is flattened.</param>
    /// <param name="Bias">(units), or none.</param>
    /// <param name="Relu">Whether max(0, x) follows.</param>
    public sealed record Dense(LaneWeight Kernel, LaneWeight? Bias, bool Relu) : LaneLayer;
}

/// <summary>A sample's shape, C×H×W; a vector's height and width are 1.</summary>
public readonly record struct LaneShape(int Channels, int Height, int Width);
