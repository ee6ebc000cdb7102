using System.Globalization;
using System.Text;
using System.Text.Json;

namespace CnnCluster.Trainer.Comparison;

/// <summary>The tables of a comparison as texts for files.</summary>
public static class ComparisonTables
{
    /// <summary>Over the table of the regularized weights' losses.</summary>
    public const string RegularizationTitle = "regularization at the end";

    private static readonly string[] SpreadParts = ["mean", "sd", "min", "max"];
    private static readonly string[] VariantColumns = ["variant", "seeds", "failed"];
    private static readonly string[] EpochColumns = ["variant", "seed", "epoch", "step"];

    /// <summary>
    /// A row for each variant: mean ± deviation (least to greatest) over the seeds. Where weights are regularized, a second table has
    /// a row for each of them, and a column for each variant that regularizes any.
    /// </summary>
    public static string Markdown(ComparisonSummary summary)
    {
        var text = new StringBuilder();
        AppendHead(text, ["variant", "seeds", .. summary.Figures.Select(static f => f.Title)]);
        foreach (var row in summary.Variants)
        {
            AppendRow(text, [Escaped(row.Variant), Seeds(row), .. summary.Figures.Zip(row.Figures, Text)]);
        }

        var regularizing = summary.Regularizing.ToList();
        if (regularizing.Count == 0) return text.ToString();
        text.Append('\n');
        AppendHead(text, [RegularizationTitle, .. regularizing.Select(static row => Escaped(row.Variant))]);
        foreach (var (at, figure) in summary.Regularization.Index())
        {
            AppendRow(text, [Escaped(figure.Title), .. regularizing.Select(row => Text(figure, row.Regularization[at]))]);
        }

        return text.ToString();
    }

    /// <summary>How many seeds a variant has, and how many of its cells failed.</summary>
    public static string Seeds(VariantSummary row) =>
        row.Failed > 0
            ? string.Create(CultureInfo.InvariantCulture, $"{row.Seeds}, {row.Failed} failed")
            : row.Seeds.ToString(CultureInfo.InvariantCulture);

    /// <summary>A line for each variant: mean, deviation, least and greatest of each figure, and of each regularized weight's loss; empty where there is none.</summary>
    public static string Csv(ComparisonSummary summary)
    {
        var lines = new List<IEnumerable<string>>
        {
            VariantColumns.Concat(summary.AllFigures.SelectMany(figure => SpreadParts.Select(part => $"{figure.Key}_{part}"))),
        };
        lines.AddRange(summary.Variants.Select(static row => new[] { row.Variant, Number(row.Seeds), Number(row.Failed) }
            .Concat(row.AllFigures.SelectMany(static s => s is null ? ["", "", "", ""] : new[] { s.Mean, s.Deviation, s.Minimum, s.Maximum }.Select(Number)))));
        return Lines(lines);
    }

    /// <summary>A line for each epoch of each cell, with all its figures and each regularized weight's loss by name; empty where a cell has none.</summary>
    public static string CurvesCsv(ComparisonSummary summary)
    {
        var epochs = summary.Cells.SelectMany(static c => c.Epochs).ToList();
        var values = epochs.SelectMany(static e => e.Values.Keys).Distinct(StringComparer.Ordinal).ToList();
        var weights = epochs.SelectMany(static e => e.RegularizationLosses.Keys).Distinct(StringComparer.Ordinal).ToList();
        var lines = new List<IEnumerable<string>>
        {
            EpochColumns.Concat(values).Append("regularization_loss").Concat(weights.Select(static weight => "regularization/" + weight))
                .Append("images_per_second").Append("learning_rate"),
        };
        foreach (var cell in summary.Cells)
        {
            lines.AddRange(cell.Epochs.Select(epoch => new[] { cell.Variant, cell.Seed.ToString(CultureInfo.InvariantCulture), Number(epoch.Epoch), Number(epoch.Step) }
                .Concat(values.Select(name => NumberOf(epoch.Values, name)))
                .Append(Number(epoch.RegularizationLosses.Values.Sum()))
                .Concat(weights.Select(name => NumberOf(epoch.RegularizationLosses, name)))
                .Append(Number(epoch.ImagesPerSecond))
                .Append(Number(epoch.LearningRate))));
        }

        return Lines(lines);
    }

    /// <summary>The table and all cells as one JSON object.</summary>
    public static string Json(ComparisonSummary summary) =>
        JsonSerializer.Serialize(new { Variants = Rows(summary), summary.Cells }, ComparisonJson.Options);

    /// <summary>An object on one line, written as the files' are.</summary>
    public static string Line(object value) => JsonSerializer.Serialize(value, ComparisonJson.Line);

    /// <summary>The table's rows, as JSON has them.</summary>
    public static IEnumerable<object> Rows(ComparisonSummary summary) => summary.Variants.Select(row => new
    {
        Name = row.Variant,
        row.Seeds,
        row.Failed,
        Figures = summary.AllFigures.Zip(row.AllFigures).Where(static f => f.Second is not null).ToDictionary(
            static f => f.First.Key,
            static f => new { f.Second!.Mean, Sd = f.Second.Deviation, Min = f.Second.Minimum, Max = f.Second.Maximum }),
    });

    private static string Text(Figure figure, Spread? spread) =>
        spread is null ? "" : figure.RangeText(spread) is { Length: > 0 } range ? $"{figure.MeanText(spread)} ({range})" : figure.MeanText(spread);

    private static void AppendHead(StringBuilder text, IReadOnlyList<string> titles)
    {
        AppendRow(text, titles);
        text.Append(CultureInfo.InvariantCulture, $"|---|{string.Concat(titles.Skip(1).Select(static _ => "---:|"))}\n");
    }

    private static void AppendRow(StringBuilder text, IEnumerable<string> cells) =>
        text.Append(CultureInfo.InvariantCulture, $"| {string.Join(" | ", cells)} |\n");

    private static string Escaped(string name) => name.Replace("|", "\\|", StringComparison.Ordinal);

    private static string NumberOf(IReadOnlyDictionary<string, double> values, string name) => values.TryGetValue(name, out var value) ? Number(value) : "";

    private static string Number(double value) => double.IsNaN(value) ? "" : value.ToString("R", CultureInfo.InvariantCulture);

    private static string Lines(IEnumerable<IEnumerable<string>> lines) =>
        string.Concat(lines.Select(static line => string.Join(',', line.Select(Quoted)) + "\n"));

    /// <summary>RFC 4180: what holds a comma, a quote or a line end stands in quotes, and a quote is doubled.</summary>
    private static string Quoted(string field) =>
        field.AsSpan().IndexOfAny(",\"\n\r") >= 0 ? $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : field;
}
