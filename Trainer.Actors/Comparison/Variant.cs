using System.Globalization;
using CnnCluster.Dsl;
using CnnCluster.Trainer.Training;
using DslTraining = CnnCluster.Dsl.Training;

namespace CnnCluster.Trainer.Comparison;

/// <summary>One of what is compared: a checked train part.</summary>
/// <param name="Name">As tables show it.</param>
/// <param name="Folder">Its folder's name within the comparison.</param>
/// <param name="Train">The train part's name in the script.</param>
/// <param name="Script">The canonical script, settings worked in.</param>
public sealed record Variant(string Name, string Folder, string Train, string Script)
{
    /// <summary>What runs with a seed.</summary>
    /// <exception cref="UserException">The script is not understood: it was written by another version.</exception>
    public DslTraining WithSeed(ulong seed)
    {
        var change = Change.Set(string.Create(CultureInfo.InvariantCulture, $"seed={seed}"));
        var result = Dsl.Script.Training(new Source(Name, Script), Train, [change], TrainingCatalogues.All);
        return result.Value ?? throw new UserException($"The script of the variant '{Name}' is not understood:\n{result.Text}");
    }
}
