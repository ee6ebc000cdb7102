namespace CnnCluster.Bench.Report;

/// <summary>How many times better cnn is than another side, pair by pair.</summary>
/// <param name="Against">The other side.</param>
/// <param name="Values">A ratio for each pair, as neighbours in time saw the same machine.</param>
public sealed record Ratios(string Against, IReadOnlyList<double> Values)
{
    public double Median => Bench.Median.Of(Values);

    public double Least => Values.Min();

    public double Greatest => Values.Max();

    /// <summary>cnn's against each other side of a row.</summary>
    public static IEnumerable<Ratios> Of(RowFigures row) => row.Sides.Skip(1).Select(side => Of(row, side));

    private static Ratios Of(RowFigures row, SideFigures other) => new(
        other.Side,
        [.. row.Sides[0].Values.Zip(other.Values, (ours, theirs) => row.LessIsBetter ? theirs / ours : ours / theirs)]);
}
