using SkiaSharp;

namespace CnnCluster.Trainer.Images;

/// <summary>How a camera held the image that a file stores (Exif 3.0, tag 274): where each pixel to show is stored.</summary>
internal readonly record struct ImageOrientation(SKEncodedOrigin Origin, int StoredHeight, int StoredWidth)
{
    /// <summary>Whether stored rows are columns to the eye.</summary>
    private bool Turned => Origin is SKEncodedOrigin.LeftTop or SKEncodedOrigin.RightTop
        or SKEncodedOrigin.RightBottom or SKEncodedOrigin.LeftBottom;

    public int Height => Turned ? StoredWidth : StoredHeight;

    public int Width => Turned ? StoredHeight : StoredWidth;

    /// <summary>The stored row and column of what is seen at <paramref name="y"/> and <paramref name="x"/>.</summary>
    /// <remarks>The names say on which sides the stored row 0 and the stored column 0 are to be seen.</remarks>
    public (int Row, int Column) Stored(int y, int x) => Origin switch
    {
        SKEncodedOrigin.TopRight => (y, StoredWidth - 1 - x),
        SKEncodedOrigin.BottomRight => (StoredHeight - 1 - y, StoredWidth - 1 - x),
        SKEncodedOrigin.BottomLeft => (StoredHeight - 1 - y, x),
        SKEncodedOrigin.LeftTop => (x, y),
        SKEncodedOrigin.RightTop => (StoredHeight - 1 - x, y),
        SKEncodedOrigin.RightBottom => (StoredHeight - 1 - x, StoredWidth - 1 - y),
        SKEncodedOrigin.LeftBottom => (x, StoredWidth - 1 - y),
        _ => (y, x),
    };
}
