namespace CnnCluster.Trainer.Comparison;

/// <summary>Writes what came of a comparison into its folder: tables and pictures.</summary>
public static class ComparisonReport
{
    public const string Markdown = "table.md";
    public const string Csv = "table.csv";
    public const string CurvesCsv = "curves.csv";
    public const string Json = "results.json";
    public const string Png = "curves.png";
    public const string Svg = "curves.svg";

    /// <summary>Replaces the files by those of these cells.</summary>
    /// <exception cref="UserException">The file system refuses.</exception>
    public static void Write(ComparisonFolder folder, ComparisonSummary summary)
    {
        folder.Write(Markdown, ComparisonTables.Markdown(summary));
        folder.Write(Csv, ComparisonTables.Csv(summary));
        folder.Write(CurvesCsv, ComparisonTables.CurvesCsv(summary));
        folder.Write(Json, ComparisonTables.Json(summary) + "\n");
        folder.Write(Png, stream => ComparisonPlot.WritePng(summary, stream));
        folder.Write(Svg, ComparisonPlot.Svg(summary));
    }
}
