using System.Globalization;

namespace CnnCluster.Bench.Report;

/// <summary>How figures are worded, on the terminal and on the page alike.</summary>
internal static class BenchText
{
    public const string TooBrief = "Measured too briefly to say how fast anything is (--quick): this shows that all runs, and is no measurement.";

    public const string Digits = "digits";

    public const string Mnist = "mnist";

    public static string Median(RowFigures row, SideFigures side) => Value(row, Bench.Median.Of(side.Values));

    public static string Ratio(Ratios ratios) => string.Create(
        CultureInfo.InvariantCulture, $"{ratios.Median:F2} ({ratios.Least:F2} to {ratios.Greatest:F2})");

    /// <summary>As in <c>must be ≥ 3.00 × TorchSharp: 3.10, met</c>.</summary>
    public static string Goal(RowFigures row, GoalFigures goal)
    {
        var limit = goal.Against is { } side
            ? string.Create(CultureInfo.InvariantCulture, $"≥ {goal.Limit:0.##} × {side}")
            : $"{(row.LessIsBetter ? "≤" : "≥")} {Value(row, goal.Limit)}";
        return $"{goal.Kind} {limit}: {Reached(row, goal)}";
    }

    public static IEnumerable<string> Machine(BenchFigures figures)
    {
        if (figures.Quick) yield return TooBrief;
        foreach (var line in Machine(figures.Machine))
        {
            yield return line;
        }

        yield return string.Create(
            CultureInfo.InvariantCulture,
            $"{figures.Taken:yyyy-MM-dd}, {figures.Threads} {(figures.Threads == 1 ? "thread" : "threads")} a side{(figures.OneCore ? ", pinned to one core" : "")}{Pairs(figures)}{Data(figures)}");
    }

    /// <summary>How often a side of a long row is measured.</summary>
    public static int OfLongRows(int pairs) => (pairs + 1) / 2;

    private static string Pairs(BenchFigures figures) => figures.Pairs switch
    {
        null => "",
        1 => ", 1 pair",
        { } pairs => string.Create(CultureInfo.InvariantCulture, $", {pairs} pairs, {OfLongRows(pairs)} of what takes long"),
    };

    private static string Data(BenchFigures figures) => figures.Data switch
    {
        null => "",
        Digits => ", LeNet-5 on drawn digits",
        Mnist => ", LeNet-5 on MNIST",
        var other => $", LeNet-5 on {other}",
    };

    /// <summary>Where and with what was measured.</summary>
    public static IEnumerable<string> Machine(MachineFigures machine) =>
    [
        string.Create(
            CultureInfo.InvariantCulture,
            $"{machine.Processor}, {machine.Cores} cores, {machine.InstructionSet}, {machine.System}; load {machine.Load:F2} when it began"),
        string.Join(", ", machine.Versions.Select(static v => $"{v.Key} {v.Value}")),
    ];

    private static string Reached(RowFigures row, GoalFigures goal) => goal switch
    {
        { Reached: null } => "not measured",
        { Against: null, Reached: { } value } => $"{Value(row, value)}, {Verdict(goal)}",
        { Reached: { } ratio } => $"{ratio.ToString("F2", CultureInfo.InvariantCulture)}, {Verdict(goal)}",
    };

    private static string Verdict(GoalFigures goal) => goal.Met switch
    {
        true => "met",
        false => "missed",
        null => "not judged (--quick)",
    };

    private static string Value(RowFigures row, double value) =>
        $"{value.ToString(Math.Abs(value) < 1000 ? "#,0.0" : "N0", CultureInfo.InvariantCulture)} {row.Unit}";
}
