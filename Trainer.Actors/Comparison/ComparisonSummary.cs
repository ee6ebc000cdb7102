namespace CnnCluster.Trainer.Comparison;

/// <summary>A variant's figures over its seeds.</summary>
/// <param name="Variant">Its name.</param>
/// <param name="Seeds">How many cells ended well.</param>
/// <param name="Failed">How many failed.</param>
/// <param name="Figures">In the order of the summary's; null where no cell has it.</param>
/// <param name="Regularization">Of each regularized weight, in the order of the summary's; null where no cell regularizes it.</param>
public sealed record VariantSummary(
    string Variant, int Seeds, int Failed, IReadOnlyList<Spread?> Figures, IReadOnlyList<Spread?> Regularization)
{
    /// <summary>Both, as files have them.</summary>
    public IEnumerable<Spread?> AllFigures => Figures.Concat(Regularization);
}

/// <summary>What came of a comparison: its table.</summary>
/// <param name="Figures">The columns.</param>
/// <param name="Regularization">The loss of each weight that a variant regularizes.</param>
/// <param name="Metric">The metric among them; null if there is none.</param>
/// <param name="Variants">The rows, in the order of the comparison.</param>
/// <param name="Cells">What they are made of.</param>
public sealed record ComparisonSummary(
    IReadOnlyList<Figure> Figures, IReadOnlyList<Figure> Regularization, Figure.Metric? Metric, IReadOnlyList<VariantSummary> Variants, IReadOnlyList<CellResult> Cells)
{
    /// <param name="description">What was compared.</param>
    /// <param name="cells">The cells that are finished.</param>
    public static ComparisonSummary Of(ComparisonDescription description, IReadOnlyList<CellResult> cells)
    {
        var plans = description.Variants.Select(variant => variant.WithSeed(description.Seeds[0]).Plan).ToList();
        var (figures, regularization) = (Figure.Shared(plans), Figure.RegularizationBy(plans));
        return new ComparisonSummary(
            figures, regularization, Figure.Metric.SharedBy(plans),
            [.. description.Variants.Select(variant => Row(variant.Name, figures, regularization, cells))], cells);
    }

    /// <summary>The cells of a variant that ended well.</summary>
    public IEnumerable<CellResult> CellsOf(string variant) => Cells.Where(cell => cell.Variant == variant && !cell.HasFailed);

    /// <summary>Both, as files have them.</summary>
    public IEnumerable<Figure> AllFigures => Figures.Concat(Regularization);

    /// <summary>The variants that regularize a weight.</summary>
    public IEnumerable<VariantSummary> Regularizing => Variants.Where(static row => row.Regularization.Any(static spread => spread is not null));

    private static VariantSummary Row(
        string variant, IReadOnlyList<Figure> figures, IReadOnlyList<Figure> regularization, IReadOnlyList<CellResult> cells)
    {
        var mine = cells.Where(cell => cell.Variant == variant).ToList();
        var whole = mine.FindAll(static cell => !cell.HasFailed);
        return new VariantSummary(
            variant,
            whole.Count,
            mine.Count - whole.Count,
            Spreads(figures, whole),
            Spreads(regularization, whole));
    }

    private static IReadOnlyList<Spread?> Spreads(IReadOnlyList<Figure> figures, List<CellResult> cells) =>
        [.. figures.Select(figure => Spread.Of([.. cells.Select(figure.Of).OfType<double>()]))];
}
