using System.Globalization;
using CnnCluster.Trainer.Comparison;
using Spectre.Console;

namespace CnnCluster.Cli.Output;

/// <summary>A comparison in the terminal: on standard error a line for each cell and a bar, on standard output the table.</summary>
internal sealed class ComparisonProgress : IComparisonOutput
{
    private readonly IAnsiConsole console;
    private readonly IAnsiConsole results;
    private readonly ComparisonFolder folder;
    private readonly ComparisonDescription description;
    private readonly ProgressBar? bar;
    private readonly Lock showing = new();
    private readonly int cells;
    private int finished;
    private int ended;

    public ComparisonProgress(IAnsiConsole console, IAnsiConsole results, ComparisonFolder folder, ComparisonDescription description)
    {
        (this.console, this.results, this.folder, this.description) = (console, results, folder, description);
        cells = description.Variants.Count * description.Seeds.Count;
        bar = console.Profile.Capabilities.Interactive ? new ProgressBar(console) : null;
    }

    public void Begin(IReadOnlyList<CellResult> finished)
    {
        ended = this.finished = finished.Count(static cell => !cell.HasFailed);
        var kept = this.finished > 0 ? string.Create(CultureInfo.InvariantCulture, $", {this.finished} of them finished already") : "";
        console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"{Counted(description.Variants.Count, "variant")}, {(description.Seeds.Count == 1 ? "seed" : "seeds")} {string.Join(", ", description.Seeds)}: {Counted(cells, "cell")}{kept}");
    }

    public void Read(ComparisonEvent message)
    {
        lock (showing)
        {
            switch (message)
            {
                case CellFinished ended: Show(ended.Result); break;
                case CellEpochEnded epoch: Show(epoch); break;
                default: break;
            }
        }
    }

    public void Conclude(ComparisonSummary summary)
    {
        // The live part of the screen goes before the table is written below it.
        bar?.Dispose();
        if (summary.Cells.Count == 0) return;
        results.Write(Table(summary));
        if (summary.Regularizing.Any()) results.Write(RegularizationTable(summary));
        results.WriteLine("Losses are of the samples alone, without what regularization adds to them.");
        results.WriteLine($"comparison: {folder.Location}");
    }

    public void Dispose() => bar?.Dispose();

    private void Show(CellEpochEnded epoch) => bar?.Show(
        string.Create(CultureInfo.InvariantCulture, $"{epoch.Variant.Name}, seed {epoch.Seed}: epoch {epoch.Ended.Metrics.Epoch}, val. loss {epoch.Ended.Metrics["val_loss"]:F4}"),
        finished,
        cells);

    private void Show(CellResult cell)
    {
        ended++;
        finished += cell.HasFailed ? 0 : 1;
        if (cell.HasFailed)
        {
            console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"{ended,3}/{cells} {cell.Variant}, seed {cell.Seed}: {cell.Message}");
            return;
        }

        var figures = cell.Final is { } end ? $"val. loss {Text(end.ValidationLoss)}" : cell.Message;
        var accuracy = cell.Final?.Values.TryGetValue("val_accuracy", out var value) == true ? value.ToString("', val. accuracy' 0.00 %", CultureInfo.InvariantCulture) : "";
        console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"{ended,3}/{cells} {cell.Variant}, seed {cell.Seed}: {figures}{accuracy}, {Counted(cell.Epochs.Count, "epoch")}, {cell.Seconds:F0} s");
    }

    private static string Counted(int count, string noun) => count == 1 ? $"1 {noun}" : $"{count} {noun}s";

    private static string Text(double value) => value.ToString("F4", CultureInfo.InvariantCulture);

    private static Table Table(ComparisonSummary summary)
    {
        var table = Headed(["variant", "seeds", .. summary.Figures.Select(static figure => figure.Title)]);
        foreach (var row in summary.Variants)
        {
            AddRow(table, [row.Variant, ComparisonTables.Seeds(row), .. summary.Figures.Zip(row.Figures, Text)]);
        }

        return table;
    }

    /// <summary>A row for each regularized weight: there may be more of them than a terminal has columns.</summary>
    private static Table RegularizationTable(ComparisonSummary summary)
    {
        var variants = summary.Regularizing.ToList();
        var table = Headed([ComparisonTables.RegularizationTitle, .. variants.Select(static row => row.Variant)]);
        foreach (var (at, figure) in summary.Regularization.Index())
        {
            AddRow(table, [figure.Title, .. variants.Select(row => Text(figure, row.Regularization[at]))]);
        }

        return table;
    }

    private static Table Headed(IReadOnlyList<string> titles)
    {
        var table = new Table { Border = TableBorder.Minimal };
        foreach (var (at, title) in titles.Index())
        {
            var column = new TableColumn(Markup.Escape(title));
            table.AddColumn(at == 0 ? column : column.RightAligned());
        }

        return table;
    }

    private static void AddRow(Table table, IEnumerable<string> cells) => table.AddRow([.. cells.Select(Markup.Escape)]);

    private static string Text(Figure figure, Spread? spread) =>
        spread is null ? "" : $"{figure.MeanText(spread)}\n{figure.RangeText(spread)}".TrimEnd();
}
