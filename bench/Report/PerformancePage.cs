using System.Text;

namespace CnnCluster.Bench.Report;

/// <summary>The parts of <c>docs/performance.md</c> that are made of figures as <c>--out</c> writes them.</summary>
public static class PerformancePage
{
    public const string Page = "docs/performance.md";

    /// <summary>A part of the page.</summary>
    /// <param name="Name">As the page's comments around it have it.</param>
    /// <param name="Figures">The file that it is made of.</param>
    public sealed record Part(string Name, string Figures);

    public static IReadOnlyList<Part> Parts { get; } =
    [
        new("figures", "docs/performance.json"),
        new("figures of a wider machine", "docs/performance-wider.json"),
        new("figures without AVX-512", "docs/performance-avx2.json"),
        new("figures on one core", "docs/performance-one-core.json"),
    ];

    /// <summary>The page with the figures of a part replaced by these.</summary>
    /// <exception cref="FormatException">The page has no place for them.</exception>
    public static string With(string page, Part part, BenchFigures figures) => MarkedPart.Replace(page, part.Name, Markdown(figures));

    private static string Markdown(BenchFigures figures)
    {
        var text = new StringBuilder("\n");
        foreach (var line in BenchText.Machine(figures))
        {
            text.Append("- ").Append(line).Append('\n');
        }

        text.Append("\n| | side | median | cnn's ratio, median (least to greatest) |\n|---|---|---|---|\n");
        foreach (var row in figures.Rows)
        {
            AppendRow(text, row);
        }

        text.Append("\n| goal | reached |\n|---|---|\n");
        foreach (var (row, goal) in figures.Rows.SelectMany(static row => row.Goals.Select(goal => (row, goal))))
        {
            var (asked, reached) = Split(BenchText.Goal(row, goal));
            text.Append("| ").Append(row.Title).Append(": ").Append(asked).Append(" | ").Append(reached).Append(" |\n");
        }

        return text.Append('\n').ToString();
    }

    private static void AppendRow(StringBuilder text, RowFigures row)
    {
        var ratios = Ratios.Of(row).ToDictionary(static r => r.Against, BenchText.Ratio);
        foreach (var (i, side) in row.Sides.Index())
        {
            text.Append("| ").AppendJoin(
                " | ",
                i == 0 ? row.Title : "",
                side.Side,
                BenchText.Median(row, side),
                ratios.GetValueOrDefault(side.Side, "")).Append(" |\n");
        }
    }

    private static (string Asked, string Reached) Split(string goal)
    {
        var colon = goal.LastIndexOf(": ", StringComparison.Ordinal);
        return (goal[..colon], goal[(colon + 2)..]);
    }
}
