using System.Globalization;
using CnnCluster.Dsl;

namespace CnnCluster.Trainer.Comparison;

/// <summary>A figure that cells are compared by.</summary>
/// <param name="Key">As files name it.</param>
/// <param name="Title">As tables show it.</param>
/// <param name="Format">A .NET format of one value.</param>
/// <param name="Of">Its value in a finished cell; null where the cell has none.</param>
public sealed record Figure(string Key, string Title, string Format, Func<CellResult, double?> Of)
{
    /// <summary>The figures that all of these plans have: losses, of the samples alone; the first metric that they share; times.</summary>
    public static IReadOnlyList<Figure> Shared(IReadOnlyList<TrainPlan> plans)
    {
        List<Figure> figures =
        [
            new("best_val_loss", "best val. loss", "F4", static cell => Extreme(cell, static e => e.ValidationLoss, higher: false)),
            new("end_val_loss", "val. loss at the end", "F4", static cell => cell.Final?.ValidationLoss),
            new("end_train_loss", "train. loss, last epoch", "F4", static cell => cell.Epochs.Count > 0 && cell.Epochs[^1].TrainLoss is var loss && !double.IsNaN(loss) ? loss : null),
        ];
        if (plans.Any(static plan => plan.Network.RegularizedWeights.Count > 0))
        {
            figures.Add(new("end_regularization", "regularization at the end", "F4", static cell => cell.Final?.RegularizationLosses.Values.Sum()));
        }

        if (Metric.SharedBy(plans) is { } metric)
        {
            figures.Insert(1, new("best_" + metric.Key, "best " + metric.Title, metric.Format, cell => Extreme(cell, metric.Of, metric.Higher)));
            figures.Insert(3, new("end_" + metric.Key, metric.Title + " at the end", metric.Format, cell => cell.Final is { } final ? metric.Of(final) : null));
        }

        figures.Add(new("epochs", "epochs", "0.#", static cell => cell.Epochs.Count));
        figures.Add(new("seconds", "seconds", "0", static cell => cell.Seconds));
        return figures;
    }

    /// <summary>The losses at the end of the weights that any of these plans regularizes, each by the weight's name; null where a cell's network does not.</summary>
    public static IReadOnlyList<Figure> RegularizationBy(IEnumerable<TrainPlan> plans) =>
    [
        .. plans.SelectMany(static plan => plan.Network.RegularizedWeights).Distinct(StringComparer.Ordinal).Select(static weight => new Figure(
            $"end_regularization/{weight}", weight, "F4",
            cell => cell.Final is { } final && final.RegularizationLosses.TryGetValue(weight, out var loss) ? loss : null)),
    ];

    /// <summary>A value as tables show it.</summary>
    public string Text(double value) => value.ToString(Format, CultureInfo.InvariantCulture);

    /// <summary>The mean and, where the seeds differ, the deviation behind ±.</summary>
    public string MeanText(Spread spread) => spread.Minimum < spread.Maximum ? $"{Text(spread.Mean)} ± {Text(spread.Deviation)}" : Text(spread.Mean);

    /// <summary>The least and the greatest; empty where the seeds do not differ.</summary>
    public string RangeText(Spread spread) => spread.Minimum < spread.Maximum ? $"{Text(spread.Minimum)} to {Text(spread.Maximum)}" : "";

    private static double? Extreme(CellResult cell, Func<EpochFigures, double> of, bool higher)
    {
        var values = cell.Epochs.Select(of).Where(static value => !double.IsNaN(value)).ToList();
        return values.Count == 0 ? null : higher ? values.Max() : values.Min();
    }

    /// <summary>A metric in validation.</summary>
    public sealed record Metric(string Key, string Title, string Format, bool Higher, Func<EpochFigures, double> Of)
    {
        /// <summary>The first metric of the first plan that all have; null if there is none.</summary>
        public static Metric? SharedBy(IReadOnlyList<TrainPlan> plans)
        {
            var shared = plans[0].Metrics.FirstOrDefault(metric => plans.All(plan => plan.FigureNames.Contains(metric.Figure)));
            if (shared is null) return null;
            var (key, higher) = ("val_" + shared.Figure, shared.Chosen.Definition.Higher);
            return new Metric(key, "val. " + shared.Figure.Replace('_', ' '), higher ? "P2" : "F4", higher, epoch => epoch.Values[key]);
        }
    }
}
