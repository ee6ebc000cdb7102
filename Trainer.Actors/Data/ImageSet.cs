namespace CnnCluster.Trainer.Data;

/// <summary>Labelled images in memory.</summary>
/// <param name="Count">N, the number of images and labels.</param>
/// <param name="Channels">C, values per pixel.</param>
/// <param name="Height">H, in pixels.</param>
/// <param name="Width">W, in pixels.</param>
/// <param name="Pixels">N×C×H×W bytes, contiguous; 0 is black.</param>
/// <param name="Labels">N class numbers from 0.</param>
public sealed record ImageSet(int Count, int Channels, int Height, int Width, byte[] Pixels, byte[] Labels)
{
    /// <summary>Bytes of one image: C·H·W.</summary>
    public int SampleSize => Channels * Height * Width;

    /// <summary>A copy of some images that follow one another.</summary>
    public ImageSet Range(int start, int count) => this with
    {
        Count = count,
        Pixels = Pixels.AsSpan(start * SampleSize, count * SampleSize).ToArray(),
        Labels = Labels.AsSpan(start, count).ToArray(),
    };
}

/// <summary>What a run trains on and what it is measured on.</summary>
public sealed record DataSet(ImageSet Train, ImageSet Validation);
