using System.Globalization;
using CnnCluster.Bench.Sides;

namespace CnnCluster.Bench.Rows;

/// <summary>Rows in which two workers of one host sum their buffers.</summary>
internal static class ReductionRows
{
    /// <summary>LeNet-5's parameters, a megabyte's worth four times, and ResNet-50's parameters.</summary>
    private static readonly IReadOnlyList<(string Name, int Elements)> Sizes = [("0.25", 61_706), ("4.2", 1 << 20), ("102", 25_557_032)];

    /// <summary>One row for each size.</summary>
    /// <param name="name">How they are picked, with the size behind it.</param>
    /// <param name="title">What they are called, likewise.</param>
    /// <param name="means">How the workers are joined.</param>
    /// <param name="goals">What each must reach.</param>
    public static IEnumerable<Row> All(string name, string title, Means means, IReadOnlyList<Goal> goals) => Sizes.Select(size => new Row
    {
        Name = $"{name}-{size.Name}",
        Title = $"{title}, {size.Name} MB",
        Unit = "µs",
        LessIsBetter = true,
        Sides = [Row.Cnn, Row.PyTorch],
        Goals = goals,
        Measure = (_, at) => 1e6 * ReductionLoop.Measure(means, size.Elements, at.Seconds),
        PyTorchArguments = at =>
            ["all-reduce", size.Elements.ToString(CultureInfo.InvariantCulture), at.Seconds.ToString(CultureInfo.InvariantCulture)],
    });
}
