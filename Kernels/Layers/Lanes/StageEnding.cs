namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>What follows what a stage computes, a convolution's sums or a normalisation, within that stage.</summary>
public enum StageEnding
{
    /// <summary>Nothing.</summary>
    Linear,

    /// <summary>max(0, x).</summary>
    Relu,

    /// <summary>The greatest of each 2×2 pixels.</summary>
    MaxPool,

    /// <summary>max(0, x), then the greatest of each 2×2 pixels.</summary>
    ReluMaxPool,
}

internal static class StageEndings
{
    public static bool Pools(this StageEnding ending) =>
        ending is StageEnding.MaxPool or StageEnding.ReluMaxPool;

    /// <summary>The shape behind it; what is left over at odd sides is left out.</summary>
    public static LaneShape OutputOf(this StageEnding ending, LaneShape input) =>
        ending.Pools() ? input with { Height = input.Height / 2, Width = input.Width / 2 } : input;

    public static bool Rectifies(this StageEnding ending) =>
        ending is StageEnding.Relu or StageEnding.ReluMaxPool;
}
