namespace CnnCluster.Trainer.Images;

/// <summary>Scales images to another size.</summary>
public static class ImageResizing
{
    /// <summary>
    /// Bilinear interpolation, the pixels' centres at ½, 1½, …: each axis by itself, under a triangle as wide as two
    /// pixels of the coarser image, so that shrinking averages over all pixels instead of leaving some out.
    /// </summary>
    /// <exception cref="OverflowException">It makes more values than an array holds: see <see cref="ValuesMade"/>.</exception>
    public static PixelImage To(PixelImage image, int height, int width)
    {
        var rows = Axis(image.Values, image.Height, height, image.Width);
        return new PixelImage(image.Channels, height, width, Axis(rows, image.Width, width, 1));
    }

    /// <summary>How many numbers scaling makes: the rows scaled first, then the columns of these.</summary>
    /// <param name="image">The image.</param>
    /// <param name="channels">How many of its channels are scaled.</param>
    /// <param name="height">The wanted height.</param>
    /// <param name="width">The wanted width.</param>
    public static long ValuesMade(PixelImage image, int channels, int height, int width)
    {
        var rows = (long)channels * height;
        return checked(
            (height == image.Height ? 0 : rows * image.Width)
            + (width == image.Width ? 0 : rows * width));
    }

    /// <param name="source">(outer, <paramref name="length"/>, <paramref name="inner"/>) numbers.</param>
    /// <param name="length">What the middle axis has.</param>
    /// <param name="wanted">What it is to have.</param>
    /// <param name="inner">How far apart its neighbours lie.</param>
    private static float[] Axis(float[] source, int length, int wanted, int inner)
    {
        if (length == wanted)
        {
            return source;
        }

        var outer = (int)(source.Length / ((long)length * inner));
        var result = new float[checked((long)outer * wanted * inner)];
        for (var place = 0; place < wanted; place++)
        {
            var (first, weights) = Triangle(length, wanted, place);
            for (var line = 0; line < outer * inner; line++)
            {
                var (block, offset) = (line / inner, line % inner);
                var sum = 0.0;
                for (var j = 0; j < weights.Length; j++)
                {
                    sum += weights[j] * source[(((block * length) + first + j) * inner) + offset];
                }

                result[(((block * wanted) + place) * inner) + offset] = (float)sum;
            }
        }

        return result;
    }

    /// <summary>The pixels that one is made of, the first of them and the weights of all; the weights add up to 1.</summary>
    private static (int First, double[] Weights) Triangle(int length, int wanted, int place)
    {
        var scale = (double)length / wanted;
        var reach = Math.Max(scale, 1);
        var centre = (place + 0.5) * scale;
        var first = Math.Max(0, (int)Math.Floor(centre - reach));
        var end = Math.Min(length, (int)Math.Ceiling(centre + reach));
        var weights = new double[end - first];
        for (var j = 0; j < weights.Length; j++)
        {
            weights[j] = Math.Max(0, 1 - (Math.Abs(first + j + 0.5 - centre) / reach));
        }

        var sum = weights.Sum();
        return (first, [.. weights.Select(weight => weight / sum)]);
    }
}
