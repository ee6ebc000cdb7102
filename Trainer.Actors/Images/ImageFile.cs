using CnnCluster.Trainer.Data;
using CnnCluster.Trainer.Storage;
using SkiaSharp;

namespace CnnCluster.Trainer.Images;

/// <summary>Image files: what Skia decodes in (PNG, JPEG, WebP, BMP, GIF, …), PNG out.</summary>
public static class ImageFile
{
    /// <summary>Pixels of the largest image that is read or written.</summary>
    public const int MostPixels = 100_000_000;

    private const int BytesPerPixel = 4;

    /// <summary>
    /// Reads an image as red, green and blue from 0 to 1, turned as its Exif orientation says and, where it is
    /// transparent, over white. The file's numbers are taken as they are: no colour profile is applied. Of more than
    /// eight bits a channel the upper eight count, of an animation its first image.
    /// </summary>
    /// <exception cref="DataFileException">There is no such file, it is no image, it is cut off, or it is too large.</exception>
    public static PixelImage Read(string path)
    {
        using var data = SKData.CreateCopy(ReadBytes(path));
        using var codec = SKCodec.Create(data)
            ?? throw new DataFileException(path, "this is no image that can be read, such as PNG, JPEG, WebP, BMP or GIF");
        var (width, height) = (codec.Info.Width, codec.Info.Height);
        if ((long)width * height > MostPixels)
        {
            throw new DataFileException(path, $"the image is {height}x{width} (height x width), more than the {MostPixels / 1_000_000} million pixels that are read");
        }

        var pixels = new byte[(long)width * height * BytesPerPixel];
        return Planes(Decode(codec, pixels, path), new ImageOrientation(codec.EncodedOrigin, height, width));
    }

    /// <summary>Writes a PNG: grey of one plane of bytes, or colour of three; the file is whole or not there.</summary>
    /// <exception cref="UserException">The file cannot be written.</exception>
    public static void WritePng(string path, Raster raster)
    {
        var grey = raster.Channels == 1;
        var info = new SKImageInfo(raster.Width, raster.Height, grey ? SKColorType.Gray8 : SKColorType.Rgb888x, SKAlphaType.Opaque);
        using var image = SKImage.FromPixelCopy(info, grey ? raster.Pixels : WithFourth(raster.Pixels), info.RowBytes);
        using var png = image.Encode(SKEncodedImageFormat.Png, quality: 100)
            ?? throw new InvalidOperationException($"Skia encoded no PNG of {info.Width}x{info.Height}.");
        try
        {
            AtomicFile.Write(path, png.SaveTo);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path} cannot be written: {e.Message}", e);
        }
    }

    private static byte[] ReadBytes(string path)
    {
        if (Directory.Exists(path)) throw new DataFileException(path, "this is a folder, not an image");
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataFileException(path, $"the file cannot be read: {e.Message}", inner: e);
        }
    }

    /// <summary>H×W pixels of four bytes: red, green, blue and how opaque they are.</summary>
    private static unsafe byte[] Decode(SKCodec codec, byte[] pixels, string path)
    {
        var info = new SKImageInfo(codec.Info.Width, codec.Info.Height, SKColorType.Rgba8888, SKAlphaType.Unpremul);
        fixed (byte* first = pixels)
        {
            return codec.GetPixels(info, (nint)first) switch
            {
                SKCodecResult.Success => pixels,
                SKCodecResult.IncompleteInput => throw new DataFileException(path, "the image is cut off"),
                var why => throw new DataFileException(path, $"the image is damaged, or of a kind that cannot be read ({why})"),
            };
        }
    }

    private static PixelImage Planes(byte[] stored, ImageOrientation orientation)
    {
        var (height, width) = (orientation.Height, orientation.Width);
        var plane = height * width;
        var values = new float[3 * plane];
        for (var i = 0; i < plane; i++)
        {
            var (row, column) = orientation.Stored(i / width, i % width);
            var pixel = stored.AsSpan(((row * orientation.StoredWidth) + column) * BytesPerPixel, BytesPerPixel);
            for (var channel = 0; channel < 3; channel++)
            {
                values[(channel * plane) + i] = OverWhite(pixel[channel], pixel[3]);
            }
        }

        return new PixelImage(3, height, width, values);
    }

    private static float OverWhite(int value, int alpha) => (float)(((value * alpha) + (255 * (255 - alpha))) / (255.0 * 255.0));

    private static byte[] WithFourth(byte[] colours)
    {
        var pixels = new byte[colours.Length / 3 * BytesPerPixel];
        for (var i = 0; i < colours.Length; i++)
        {
            pixels[(i / 3 * BytesPerPixel) + (i % 3)] = colours[i];
        }

        return pixels;
    }
}
