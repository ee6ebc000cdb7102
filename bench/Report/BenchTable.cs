using Spectre.Console;

namespace CnnCluster.Bench.Report;

/// <summary>The figures on a terminal.</summary>
internal static class BenchTable
{
    public static void Show(IAnsiConsole console, BenchFigures figures)
    {
        foreach (var line in BenchText.Machine(figures))
        {
            console.WriteLine(line);
        }

        var table = new Table { Border = TableBorder.Minimal };
        table.AddColumns("", "Side", "Median", "cnn's ratio, median (least to greatest)", "Goals");
        foreach (var row in figures.Rows)
        {
            Add(table, row);
        }

        console.Write(table);
    }

    private static void Add(Table table, RowFigures row)
    {
        var ratios = Ratios.Of(row).ToDictionary(static r => r.Against, BenchText.Ratio);
        foreach (var (i, side) in row.Sides.Index())
        {
            var goals = row.Goals.Where(g => (g.Against ?? row.Sides[0].Side) == side.Side).Select(g => BenchText.Goal(row, g));
            table.AddRow(
                Markup.Escape(i == 0 ? row.Title : ""),
                Markup.Escape(side.Side),
                Markup.Escape(BenchText.Median(row, side)),
                Markup.Escape(ratios.GetValueOrDefault(side.Side, "")),
                Markup.Escape(string.Join("; ", goals)));
        }
    }
}
