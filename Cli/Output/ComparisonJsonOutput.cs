using System.Globalization;
using CnnCluster.Trainer.Comparison;

namespace CnnCluster.Cli.Output;

/// <summary>A comparison as lines of JSON on standard output: <c>start</c>, a <c>cell</c> for each that ends, <c>comparison</c>.</summary>
internal sealed class ComparisonJsonOutput(TextWriter writer, ComparisonFolder folder, ComparisonDescription description) : IComparisonOutput
{
    private readonly Lock writing = new();

    public void Begin(IReadOnlyList<CellResult> finished) => Write(new
    {
        Event = "start",
        Time = Now(),
        Folder = folder.Location,
        Variants = description.Variants.Select(static variant => variant.Name),
        description.Seeds,
        Finished = finished.Count(static cell => !cell.HasFailed),
    });

    public void Read(ComparisonEvent message)
    {
        if (message is CellFinished { Variant: var variant, Result: var cell })
        {
            Write(new
            {
                Event = "cell",
                Time = Now(),
                Variant = variant.Name,
                cell.Seed,
                cell.Reason,
                Message = cell.Message.Length > 0 ? cell.Message : null,
                cell.BestEpoch,
                cell.Final,
                cell.WeightsSha256,
                cell.Seconds,
                Run = folder.Cell(variant, cell.Seed),
            });
        }
    }

    public void Conclude(ComparisonSummary summary) => Write(new
    {
        Event = "comparison",
        Time = Now(),
        Folder = folder.Location,
        Variants = ComparisonTables.Rows(summary),
    });

    public void Dispose()
    {
    }

    private static string Now() => DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private void Write(object line)
    {
        var text = ComparisonTables.Line(line) + "\n";
        lock (writing)
        {
            writer.Write(text);
            writer.Flush();
        }
    }
}
