namespace CnnCluster.Trainer.Data;

/// <summary>Where a pixel's value comes from, both places relative to the centre: (Xx·x + Xy·y, Yx·x + Yy·y).</summary>
internal readonly record struct LinearMap(double Xx, double Xy, double Yx, double Yy);

/// <summary>Moves the pixels of one sample, C×H×W floats; what lies beyond the border is 0.</summary>
internal static class Resampling
{
    /// <summary>Moves by whole pixels, right by <paramref name="dx"/> and down by <paramref name="dy"/>.</summary>
    public static void Shift(SampleShape shape, int dx, int dy, ReadOnlySpan<float> source, Span<float> destination)
    {
        destination.Clear();
        var length = shape.Width - Math.Abs(dx);
        if (length <= 0) return;
        for (var row = 0; row < shape.Channels * shape.Height; row++)
        {
            var from = (row % shape.Height) - dy;
            if (from < 0 || from >= shape.Height) continue;
            var line = source.Slice((row - dy) * shape.Width, shape.Width);
            line.Slice(Math.Max(0, -dx), length).CopyTo(destination[((row * shape.Width) + Math.Max(0, dx))..]);
        }
    }

    /// <summary>Swaps left and right in place.</summary>
    public static void Mirror(SampleShape shape, Span<float> pixels)
    {
        for (var row = 0; row < shape.Channels * shape.Height; row++)
        {
            pixels.Slice(row * shape.Width, shape.Width).Reverse();
        }
    }

    /// <summary>Takes every pixel from where the map says, between pixels by bilinear interpolation.</summary>
    public static void Linear(SampleShape shape, LinearMap map, ReadOnlySpan<float> source, Span<float> destination)
    {
        var (centreX, centreY) = ((shape.Width - 1) / 2.0, (shape.Height - 1) / 2.0);
        var planeSize = shape.Height * shape.Width;
        for (var i = 0; i < planeSize; i++)
        {
            var (x, y) = ((i % shape.Width) - centreX, (i / shape.Width) - centreY);
            var fromX = (map.Xx * x) + (map.Xy * y) + centreX;
            var fromY = (map.Yx * x) + (map.Yy * y) + centreY;
            for (var plane = 0; plane < source.Length; plane += planeSize)
            {
                destination[plane + i] = Between(shape, source.Slice(plane, planeSize), fromX, fromY);
            }
        }
    }

    private static float Between(SampleShape shape, ReadOnlySpan<float> plane, double x, double y)
    {
        var (left, top) = ((int)Math.Floor(x), (int)Math.Floor(y));
        var (right, down) = ((float)(x - left), (float)(y - top));
        var above = Mix(At(shape, plane, left, top), At(shape, plane, left + 1, top), right);
        var below = Mix(At(shape, plane, left, top + 1), At(shape, plane, left + 1, top + 1), right);
        return Mix(above, below, down);
    }

    private static float Mix(float a, float b, float share) => ((1 - share) * a) + (share * b);

    private static float At(SampleShape shape, ReadOnlySpan<float> plane, int x, int y) =>
        (uint)x < (uint)shape.Width && (uint)y < (uint)shape.Height ? plane[(y * shape.Width) + x] : 0;
}
