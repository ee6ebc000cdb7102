namespace CnnCluster.Trainer.Images;

/// <summary>An image of bytes, ready to be encoded.</summary>
/// <param name="Height">H, in pixels.</param>
/// <param name="Width">W, in pixels.</param>
/// <param name="Channels">C: 1 for grey, 3 for red, green and blue.</param>
/// <param name="Pixels">H×W×C bytes; 0 is black.</param>
public sealed record Raster(int Height, int Width, int Channels, byte[] Pixels)
{
    private const int Gap = 2;
    private const byte White = 255;

    /// <summary>Planes as channels of one image: C×H×W bytes of one or three.</summary>
    public static Raster Of(int channels, int height, int width, byte[] planes)
    {
        var pixels = new byte[planes.Length];
        var plane = height * width;
        for (var i = 0; i < pixels.Length; i++)
        {
            pixels[(i % plane * channels) + (i / plane)] = planes[i];
        }

        return new Raster(height, width, channels, pixels);
    }

    /// <summary>
    /// Planes beside each other, C×H×W bytes: row by row from the left, ⌈√C⌉ in a row, two white pixels between them.
    /// </summary>
    /// <exception cref="UserException">The sheet would be larger than <see cref="ImageFile.MostPixels"/>.</exception>
    public static Raster Sheet(int channels, int height, int width, byte[] planes)
    {
        var columns = (int)Math.Ceiling(Math.Sqrt(channels));
        var rows = (channels + columns - 1) / columns;
        var (sheetHeight, sheetWidth) = ((long)rows * (height + Gap) - Gap, (long)columns * (width + Gap) - Gap);
        if (sheetHeight * sheetWidth > ImageFile.MostPixels)
        {
            throw new UserException($"{channels} channels beside each other would make an image of {sheetHeight}x{sheetWidth} (height x width), more than the {ImageFile.MostPixels / 1_000_000} million pixels that are written: --channel N picks one of them.");
        }

        var pixels = new byte[sheetHeight * sheetWidth];
        Array.Fill(pixels, White);
        for (var row = 0; row < channels * height; row++)
        {
            var (channel, y) = (row / height, row % height);
            var (top, left) = (channel / columns * (height + Gap), channel % columns * (width + Gap));
            planes.AsSpan(row * width, width).CopyTo(pixels.AsSpan((int)(((top + y) * sheetWidth) + left)));
        }

        return new Raster((int)sheetHeight, (int)sheetWidth, 1, pixels);
    }
}
