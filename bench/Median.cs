namespace CnnCluster.Bench;

internal static class Median
{
    /// <summary>The middle value; of an even number, the mean of the two in the middle.</summary>
    public static double Of(IReadOnlyCollection<double> values)
    {
        var sorted = values.Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
