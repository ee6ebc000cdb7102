using System.Numerics.Tensors;
using Tensorboard;

namespace CnnCluster.Trainer.Metrics;

/// <summary>Counts values into buckets of equal width, as TensorBoard's messages hold them.</summary>
internal static class Histogram
{
    /// <summary>Enough to see two peaks in a layer's weights, and few enough for many layers and steps.</summary>
    private const int Buckets = 64;

    /// <param name="values">At least one, all finite.</param>
    /// <returns>Buckets from the least to the greatest value, each up to its limit; just one if all values are equal.</returns>
    public static HistogramProto Of(ReadOnlySpan<float> values)
    {
        double min = TensorPrimitives.Min(values);
        double max = TensorPrimitives.Max(values);
        var counts = new double[min == max ? 1 : Buckets];
        var width = (max - min) / counts.Length;
        var histogram = new HistogramProto { Min = min, Max = max, Num = values.Length };
        foreach (double value in values)
        {
            histogram.Sum += value;
            histogram.SumSquares += value * value;
            // The greatest value lies on the last bucket's limit, and belongs to that bucket.
            counts[min == max ? 0 : Math.Min((int)((value - min) / width), counts.Length - 1)]++;
        }

        histogram.BucketLimit.AddRange(Enumerable.Range(1, counts.Length).Select(i => i == counts.Length ? max : min + (i * width)));
        histogram.Bucket.AddRange(counts);
        return histogram;
    }
}
