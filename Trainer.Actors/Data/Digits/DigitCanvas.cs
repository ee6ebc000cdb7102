namespace CnnCluster.Trainer.Data.Digits;

/// <summary>A grey image, height × width floats from 0 to 1, that strokes are drawn on with soft edges.</summary>
internal sealed class DigitCanvas(int side)
{
    private readonly float[] ink = new float[side * side];
    private readonly float[] scratch = new float[side * side];

    public ReadOnlySpan<float> Ink => ink;

    public void Clear() => Array.Clear(ink);

    /// <summary>
    /// Draws a line with round ends; places in pixels, (0, 0) being the middle of the first pixel. A pixel's ink falls
    /// from <paramref name="strength"/> to 0 over one pixel about the line's edge; where lines meet the darker one counts.
    /// </summary>
    public void Line(Dot from, Dot to, double radius, double strength = 1)
    {
        var reach = radius + 0.5;
        var (dx, dy) = (to.X - from.X, to.Y - from.Y);
        var lengthSquared = Math.Max((dx * dx) + (dy * dy), 1e-12);
        var (left, right) = Range(from.X, to.X, reach);
        var (top, bottom) = Range(from.Y, to.Y, reach);
        for (var y = top; y <= bottom; y++)
        {
            for (var x = left; x <= right; x++)
            {
                var along = Math.Clamp((((x - from.X) * dx) + ((y - from.Y) * dy)) / lengthSquared, 0, 1);
                var (ex, ey) = (x - from.X - (along * dx), y - from.Y - (along * dy));
                var cover = strength * Math.Clamp(reach - Math.Sqrt((ex * ex) + (ey * ey)), 0, 1);
                ref var pixel = ref ink[(y * side) + x];
                pixel = Math.Max(pixel, (float)cover);
            }
        }
    }

    /// <summary>Blurs with the kernel (b, 1 − 2b, b) along both axes; beyond the border there is no ink.</summary>
    public void Blur(float b)
    {
        BlurAlong(ink, scratch, step: 1, b);
        BlurAlong(scratch, ink, step: side, b);
    }

    private void BlurAlong(float[] source, float[] destination, int step, float b)
    {
        for (var i = 0; i < source.Length; i++)
        {
            var place = step == 1 ? i % side : i / side;
            var before = place > 0 ? source[i - step] : 0;
            var after = place < side - 1 ? source[i + step] : 0;
            destination[i] = ((1 - (2 * b)) * source[i]) + (b * (before + after));
        }
    }

    private (int First, int Last) Range(double a, double b, double reach) =>
        ((int)Math.Clamp(Math.Ceiling(Math.Min(a, b) - reach), 0, side),
        (int)Math.Clamp(Math.Floor(Math.Max(a, b) + reach), -1, side - 1));
}
