namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>What follows a convolution's sums within its stage.</summary>
public enum ConvolutionEnding
{
    /// <summary>The bias alone.</summary>
    Linear,

    /// <summary>Bias, then max(0, x).</summary>
    Relu,

    /// <summary>Bias, then the greatest of each 2×2 pixels.</summary>
    MaxPool,

    /// <summary>Bias, max(0, x), then the greatest of each 2×2 pixels.</summary>
    ReluMaxPool,
}

internal static class ConvolutionEndings
{
    public static bool Pools(this ConvolutionEnding ending) =>
        ending is ConvolutionEnding.MaxPool or ConvolutionEnding.ReluMaxPool;

    public static bool Rectifies(this ConvolutionEnding ending) =>
        ending is ConvolutionEnding.Relu or ConvolutionEnding.ReluMaxPool;
}
