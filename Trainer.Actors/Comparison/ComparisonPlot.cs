using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using ScottPlot;
using ScottPlot.TickGenerators;
using SkiaSharp;

namespace CnnCluster.Trainer.Comparison;

/// <summary>
/// A comparison as a picture of three panels: the validation loss and the first shared metric by epoch, each variant's
/// mean over its seeds in a band from the least to the greatest; and the best values, a dot for each seed.
/// </summary>
public static partial class ComparisonPlot
{
    private const int PanelWidth = 520;
    private const int LegendWidth = 200;
    private const int Height = 440;
    private const int PixelsPerUnit = 2;

    /// <summary>Losses whose greatest is so many times the least are shown on a logarithmic axis.</summary>
    private const double LogarithmicFrom = 20;

    private static readonly string[] Fonts = ["DejaVu Sans", "Liberation Sans", "Noto Sans", "Arial", "Helvetica"];

    /// <summary>Whether this machine has a font; without any, the pictures have no text.</summary>
    public static bool HasFonts => SKFontManager.Default.FontFamilies.Any();

    /// <summary>Draws as PNG, at two pixels a unit.</summary>
    public static void WritePng(ComparisonSummary summary, Stream stream)
    {
        var panels = Panels(summary);
        using var surface = SKSurface.Create(new SKImageInfo(WidthOf(panels) * PixelsPerUnit, Height * PixelsPerUnit));
        surface.Canvas.Scale(PixelsPerUnit);
        Draw(panels, surface.Canvas);
        using var image = surface.Snapshot();
        using var data = image.Encode(SKEncodedImageFormat.Png, quality: 100);
        data.SaveTo(stream);
    }

    /// <summary>Draws as SVG.</summary>
    public static string Svg(ComparisonSummary summary)
    {
        var panels = Panels(summary);
        using var stream = new MemoryStream();
        using (var canvas = SKSvgCanvas.Create(new SKRect(0, 0, WidthOf(panels), Height), stream))
        {
            Draw(panels, canvas);
        }

        // Skia ends lists of coordinates with a comma, over which some browsers drop the whole list.
        return ListEnd().Replace(Encoding.UTF8.GetString(stream.ToArray()), "\"");
    }

    private static int WidthOf(List<Plot> panels) => (panels.Count * PanelWidth) + LegendWidth;

    private static void Draw(List<Plot> panels, SKCanvas canvas)
    {
        canvas.Clear(SKColors.White);
        var left = 0;
        foreach (var (i, panel) in panels.Index())
        {
            // The last panel names the variants in front of its dots.
            var width = PanelWidth + (i == panels.Count - 1 ? LegendWidth : 0);
            panel.Render(canvas, new PixelRect(left, left + width, Height, 0));
            left += width;
        }
    }

    private static List<Plot> Panels(ComparisonSummary summary)
    {
        List<Plot> panels = [LossPanel(summary)];
        if (summary.Metric is { } metric)
        {
            var panel = Curves(summary, metric.Title, metric.Of);
            panel.Axes.Left.TickGenerator = Ticks(metric.Format);
            panels.Add(panel);
        }

        panels.Add(BestPanel(summary));
        return panels;
    }

    private static Plot LossPanel(ComparisonSummary summary)
    {
        var losses = summary.Variants.SelectMany(row => summary.CellsOf(row.Variant)).SelectMany(static c => c.Epochs)
            .Select(static e => e.ValidationLoss).Where(static loss => double.IsFinite(loss) && loss > 0).ToList();
        if (losses.Count == 0 || losses.Max() < LogarithmicFrom * losses.Min())
        {
            return Curves(summary, "validation loss", static e => e.ValidationLoss);
        }

        var plot = Curves(summary, "validation loss", static e => Math.Log10(e.ValidationLoss));
        plot.Axes.Left.TickGenerator = new NumericAutomatic
        {
            IntegerTicksOnly = true,
            MinorTickGenerator = new LogMinorTickGenerator(),
            LabelFormatter = static power => Math.Pow(10, power).ToString("R", CultureInfo.InvariantCulture),
        };
        return plot;
    }

    private static Plot Curves(ComparisonSummary summary, string title, Func<EpochFigures, double> of)
    {
        var plot = Empty(title, "epoch");
        plot.Axes.Bottom.TickGenerator = new NumericAutomatic { IntegerTicksOnly = true };
        foreach (var (i, row) in summary.Variants.Index())
        {
            var points = summary.CellsOf(row.Variant).SelectMany(static c => c.Epochs)
                .Select(e => (e.Epoch, Value: of(e))).Where(static p => double.IsFinite(p.Value))
                .GroupBy(static p => p.Epoch, static p => p.Value).OrderBy(static g => g.Key)
                .Select(static g => (Epoch: (double)g.Key, Spread: Spread.Of([.. g])!)).ToList();
            if (points.Count > 0) Curve(plot, Colour(i), points);
        }

        plot.Axes.AutoScale();
        return plot;
    }

    private static void Curve(Plot plot, Color colour, List<(double Epoch, Spread Spread)> points)
    {
        double[] epochs = [.. points.Select(static p => p.Epoch)];
        if (points.Exists(static p => p.Spread.Count > 1))
        {
            var band = plot.Add.FillY(epochs, [.. points.Select(static p => p.Spread.Minimum)], [.. points.Select(static p => p.Spread.Maximum)]);
            band.FillColor = colour.WithAlpha(.18);
            band.LineWidth = 0;
            band.MarkerSize = 0;
        }

        var line = plot.Add.Scatter(epochs, [.. points.Select(static p => p.Spread.Mean)], colour);
        line.LineWidth = 1.8f;
        line.MarkerSize = points.Count == 1 ? 6 : 3;
    }

    /// <summary>A row for each variant, the first on top: a dot for each seed and a bar at their mean.</summary>
    private static Plot BestPanel(ComparisonSummary summary)
    {
        var figure = summary.Figures[summary.Metric is null ? 0 : 1];
        var plot = Empty(figure.Title, "");
        var rows = summary.Variants.Count;
        foreach (var (i, row) in summary.Variants.Index())
        {
            double[] values = [.. summary.CellsOf(row.Variant).Select(figure.Of).OfType<double>().Where(double.IsFinite)];
            if (values.Length == 0) continue;
            var y = rows - i;
            var dots = plot.Add.ScatterPoints(values, [.. values.Select(_ => (double)y)], Colour(i));
            dots.MarkerSize = 8;
            var mean = plot.Add.Line(values.Average(), y - 0.3, values.Average(), y + 0.3);
            (mean.LineColor, mean.LineWidth) = (Colour(i), 2);
        }

        plot.Axes.Left.TickGenerator = new NumericManual(
            [.. Enumerable.Range(0, rows).Select(i => (double)(rows - i))], [.. summary.Variants.Select(static row => Shortened(row.Variant))]);
        plot.Axes.Bottom.TickGenerator = Ticks(figure.Format);
        plot.Axes.AutoScale();
        plot.Axes.SetLimitsY(0.4, rows + 0.6);
        return plot;
    }

    /// <summary>Shares in percent, other numbers as they come.</summary>
    private static NumericAutomatic Ticks(string format) =>
        format.StartsWith('P') ? new() { LabelFormatter = static share => (share * 100).ToString("0.##' %'", CultureInfo.InvariantCulture) } : new();

    private static Plot Empty(string title, string bottom)
    {
        var plot = new Plot();
        // The panels share a canvas, and the last tick's label reaches beyond its axis.
        plot.RenderManager.ClearCanvasBeforeEachRender = false;
        plot.Axes.Right.MinimumSize = 30;
        plot.Font.Set(Fonts.FirstOrDefault(static name => SKFontManager.Default.FontFamilies.Contains(name)) ?? ScottPlot.Fonts.Default);
        plot.Title(title, size: 15);
        plot.XLabel(bottom, size: 13);
        return plot;
    }

    private static string Shortened(string name) => name.Length <= 28 ? name : name[..27] + "…";

    private static Color Colour(int variant) => new ScottPlot.Palettes.Category10().GetColor(variant);

    [GeneratedRegex(", \"")]
    private static partial Regex ListEnd();
}
