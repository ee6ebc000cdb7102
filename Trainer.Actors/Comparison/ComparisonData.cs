using CnnCluster.Trainer.Training;

namespace CnnCluster.Trainer.Comparison;

/// <summary>The samples of a comparison, of which all cells share one copy.</summary>
/// <param name="description">What is compared.</param>
/// <param name="folder">Where the data lies; null for the usual places.</param>
public sealed class ComparisonData(ComparisonDescription description, string? folder)
{
    public DataCache Cache { get; } = new();

    public string? Folder { get; } = folder;

    /// <summary>Reads every variant's data, so that what is wrong with it is said before any cell begins.</summary>
    /// <exception cref="UserException">It cannot be had.</exception>
    public void Check()
    {
        foreach (var variant in description.Variants)
        {
            _ = Cache.Load(variant.WithSeed(description.Seeds[0]).Plan, Folder);
        }
    }
}
