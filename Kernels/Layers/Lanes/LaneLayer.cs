namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>What a run of layers computes, as one of its stages; shapes are those of one sample.</summary>
public abstract record LaneLayer
{
    private LaneLayer()
    {
    }

    /// <summary>Its path in the network, which a trace calls its passes by.</summary>
    public string Path { get; init; } = "";

    /// <summary>The path of the last layer that is computed with it, its own where none is.</summary>
    public string LastPath { get; init; } = "";

    /// <summary>A layer's weights: kernel and bias, or scale and shift, as far as it has them.</summary>
    public static IEnumerable<LaneWeight> WeightsOf(LaneLayer layer) => layer switch
    {
        Convolution c => c.Bias is null ? [c.Kernel] : [c.Kernel, c.Bias],
        Dense d => d.Bias is null ? [d.Kernel] : [d.Kernel, d.Bias],
        Normalisation n => [.. new[] { n.Scale, n.Shift }.OfType<LaneWeight>()],
        _ => throw new ArgumentOutOfRangeException(nameof(layer), layer, "No such layer."),
    };

    /// <param name="Geometry">The window.</param>
    /// <param name="Kernel">(O, C, K, K).</param>
    /// <param name="Bias">(O), or none.</param>
    /// <param name="Ending">What follows at once.</param>
    public sealed record Convolution(
        ConvolutionGeometry Geometry, LaneWeight Kernel, LaneWeight? Bias, StageEnding Ending) : LaneLayer;

    /// <param name="Kernel">(units, features); the input is flattened.</param>
    /// <param name="Bias">(units), or none.</param>
    /// <param name="Relu">Whether max(0, x) follows.</param>
    public sealed record Dense(LaneWeight Kernel, LaneWeight? Bias, bool Relu) : LaneLayer;

    /// <summary>Batch normalisation.</summary>
    /// <param name="Settings">How it is done.</param>
    /// <param name="Scale">(C), or none for 1.</param>
    /// <param name="Shift">(C), or none for 0.</param>
    /// <param name="Current">As the last committed step left them.</param>
    /// <param name="Next">What this step makes of them; changed in training.</param>
    /// <param name="Ending">What follows at once.</param>
    public sealed record Normalisation(
        NormalisationSettings Settings, LaneWeight? Scale, LaneWeight? Shift, LaneStatistics Current, LaneStatistics Next, StageEnding Ending) : LaneLayer;
}

/// <summary>A sample's shape, C×H×W; a vector's height and width are 1.</summary>
public readonly record struct LaneShape(int Channels, int Height, int Width);
