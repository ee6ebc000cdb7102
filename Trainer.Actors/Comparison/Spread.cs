namespace CnnCluster.Trainer.Comparison;

/// <summary>How a figure is spread over the seeds.</summary>
/// <param name="Count">How many seeds have it.</param>
/// <param name="Mean">Their mean.</param>
/// <param name="Deviation">The standard deviation of a sample, over Count − 1; not a number for a single one.</param>
/// <param name="Minimum">The least.</param>
/// <param name="Maximum">The greatest.</param>
public sealed record Spread(int Count, double Mean, double Deviation, double Minimum, double Maximum)
{
    /// <summary>Null where there is no value. One that is not a number makes the mean and the deviation such.</summary>
    public static Spread? Of(IReadOnlyCollection<double> values)
    {
        if (values.Count == 0)
        {
            return null;
        }

        var mean = values.Average();
        var squares = values.Sum(value => (value - mean) * (value - mean));
        var deviation = values.Count > 1 ? Math.Sqrt(squares / (values.Count - 1)) : double.NaN;
        return new Spread(values.Count, mean, deviation, values.Min(), values.Max());
    }
}
