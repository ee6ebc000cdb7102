namespace CnnCluster.Kernels.Layers.Lanes;

// The letters of this folder: N samples, B blocks of 16 samples, C input channels, O output channels, H height, W width,
// K a kernel's side, T taps: the elements of a kernel over all input channels, C·K·K; P positions: output pixels.

/// <summary>Zeros that a value has around it, in pixels, for the convolution that reads it.</summary>
internal readonly record struct Halo(int Top, int Left, int Bottom, int Right)
{
    /// <summary>What serves both.</summary>
    public Halo With(Halo other) => new(
        Math.Max(Top, other.Top), Math.Max(Left, other.Left), Math.Max(Bottom, other.Bottom), Math.Max(Right, other.Right));
}

/// <summary>
/// How a value lies in memory: blocks of 16 samples, in each [C][H + halo][W + halo][16] floats. One vector holds the same
/// pixel of 16 samples, so that whatever is computed pixel by pixel needs no shuffles, whatever the number of channels.
/// </summary>
/// <remarks>
/// A sample has its lane to itself, and its numbers do not depend on what the other lanes hold. Lanes without a sample
/// hold zeros in inputs and in gradients.
/// </remarks>
internal sealed record LaneLayout(int Channels, int Height, int Width, Halo Halo)
{
    /// <summary>Samples of a block.</summary>
    public const int Samples = 16;

    /// <summary>Floats from a row to the next.</summary>
    public int RowPitch => (Width + Halo.Left + Halo.Right) * Samples;

    /// <summary>Floats from a channel to the next.</summary>
    public int ChannelPitch => checked((Height + Halo.Top + Halo.Bottom) * RowPitch);

    /// <summary>Floats of a block.</summary>
    public int BlockSize => checked(Channels * ChannelPitch);

    /// <summary>Elements of a sample.</summary>
    public int Features => Channels * Height * Width;

    /// <summary>Where a pixel of the first channel lies in its block; (0, 0) is the first behind the halo.</summary>
    public int OffsetOf(int y, int x) => ((Halo.Top + y) * RowPitch) + ((Halo.Left + x) * Samples);

    /// <summary>Blocks that hold so many samples.</summary>
    public static int BlocksOf(long samples) => checked((int)((samples + Samples - 1) / Samples));
}
