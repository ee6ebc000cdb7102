namespace CnnCluster.Trainer.Images;

/// <summary>An image as networks take and give it.</summary>
/// <param name="Channels">C: 1 for grey, 3 for red, green and blue; any number behind a network.</param>
/// <param name="Height">H, in pixels.</param>
/// <param name="Width">W, in pixels.</param>
/// <param name="Values">C×H×W numbers, row by row; in a file's image 0 is black and 1 white.</param>
public sealed record PixelImage(int Channels, int Height, int Width, float[] Values)
{
    /// <summary>The pixels of one channel, counted from 0, row by row.</summary>
    public ReadOnlySpan<float> Plane(int channel) => Values.AsSpan(channel * Height * Width, Height * Width);

    /// <summary>One channel, counted from 0, as an image of its own.</summary>
    public PixelImage Channel(int channel) => new(1, Height, Width, Plane(channel).ToArray());

    /// <summary>
    /// The luma of red, green and blue, 0.299·R + 0.587·G + 0.114·B (ITU-R BT.601-7, section 2.5.1), taken of the
    /// values as files hold them, gamma included. A grey pixel keeps its value.
    /// </summary>
    public PixelImage Grey()
    {
        if (Channels == 1)
        {
            return this;
        }

        var luma = new float[Height * Width];
        for (var i = 0; i < luma.Length; i++)
        {
            luma[i] = (float)(((299.0 * Plane(0)[i]) + (587.0 * Plane(1)[i]) + (114.0 * Plane(2)[i])) / 1000.0);
        }

        return new PixelImage(1, Height, Width, luma);
    }
}
