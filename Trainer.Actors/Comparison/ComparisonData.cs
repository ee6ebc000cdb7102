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
    /// <returns>The description, which knows the data now.</returns>
    /// <exception cref="UserException">It cannot be had, or is not what the comparison was begun with.</exception>
    public ComparisonDescription Check()
    {
        List<string> fingerprints = [.. description.Variants.Select(Fingerprint)];
        foreach (var (variant, before, now) in description.Variants.Zip(description.DataFingerprints, fingerprints))
        {
            if (before != now)
            {
                throw new UserException($"The data of '{variant.Name}' is not what the comparison was begun with: its cells would not be on equal terms.");
            }
        }

        return description with { DataFingerprints = fingerprints };
    }

    private string Fingerprint(Variant variant) => Cache.Load(variant.WithSeed(description.Seeds[0]).Plan, Folder).Fingerprint();
}
