using CnnCluster.Bench.Report;
using CnnCluster.Bench.Scale.Model;

namespace CnnCluster.Bench.Scale.Report;

/// <summary>The parts of <c>docs/scaling.md</c> that are made of figures as <c>--scale --out</c> writes them.</summary>
internal static class ScalingPage
{
    public const string Page = "docs/scaling.md";

    public const string Figures = "docs/scaling.json";

    /// <summary>The parts by the names of the comments around them.</summary>
    public static IReadOnlyList<(string Name, string Markdown)> Parts(ScaleFigures figures)
    {
        var model = new ScaleModel(figures);
        return
        [
            ("measured and fitted", MeasuredPart.Markdown(figures, model)),
            ("predicted efficiency", PredictedPart.Markdown(model)),
            ("algorithms", AlgorithmPart.Markdown(model)),
        ];
    }

    /// <summary>The page with all parts made of these figures. Brief ones show what was measured, and predict nothing.</summary>
    /// <exception cref="FormatException">The page has no place for a part.</exception>
    public static string With(string page, ScaleFigures figures) => Parts(figures).Index().Aggregate(page, (text, part) => MarkedPart.Replace(
        text, part.Item.Name, figures.Quick && part.Index > 0 ? "\nNothing is predicted from a brief measurement.\n\n" : part.Item.Markdown));
}
