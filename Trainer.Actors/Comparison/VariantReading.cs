using System.Globalization;
using CnnCluster.Dsl;
using DslTraining = CnnCluster.Dsl.Training;

namespace CnnCluster.Trainer.Comparison;

/// <summary>Reads a train part with changes made to it.</summary>
/// <param name="train">As a variant's <c>train=</c> says; null for the one that the command line names.</param>
/// <param name="changes">The last one said wins.</param>
public delegate ScriptResult<DslTraining> TrainReader(string? train, IReadOnlyList<Change> changes);

/// <summary>What came of reading variants.</summary>
/// <param name="Variants">As many as are right.</param>
/// <param name="FirstSeed">The first variant's seed.</param>
/// <param name="Messages">What there is to say, each once, warnings among them.</param>
/// <param name="HasErrors">Whether a variant is wrong.</param>
public sealed record VariantReading(IReadOnlyList<Variant> Variants, ulong FirstSeed, IReadOnlyList<string> Messages, bool HasErrors)
{
    private const int LongestFolder = 40;

    /// <summary>Reads all variants, so that all that is wrong is said at once.</summary>
    /// <param name="texts">As the command line says them.</param>
    /// <param name="common">Changes of all variants, which a variant's own win over.</param>
    /// <param name="read">Reads a script.</param>
    public static VariantReading Of(IReadOnlyList<string> texts, IReadOnlyList<Change> common, TrainReader read)
    {
        var (variants, names, messages) = (new List<Variant>(), new HashSet<string>(StringComparer.Ordinal), new List<string>());
        var (firstSeed, wrong) = (default(ulong?), texts.Count == 0);
        foreach (var text in texts)
        {
            try
            {
                var said = VariantText.Parse(text);
                if (!names.Add(said.Name)) throw new UserException($"Two variants are called '{said.Name}': a name of its own, in front of a colon, tells each apart.");
                var result = read(said.Train, [.. common, .. said.Changes]);
                if (result.Text.Length > 0) messages.Add(result.Text);
                wrong |= result.Value is null;
                if (result.Value is not { } training) continue;
                firstSeed ??= training.Plan.Seed;
                variants.Add(new Variant(said.Name, FolderName(variants.Count + 1, said.Name), training.Plan.Name, training.Canonical));
            }
            catch (UserException e)
            {
                wrong = true;
                messages.Add("cnn: " + e.Message);
            }
        }

        if (texts.Count == 0) messages.Add("cnn: there is nothing to compare: --vary says what a variant changes, and stands once for each.");
        return new VariantReading(variants, firstSeed ?? 0, [.. messages.Distinct()], wrong);
    }

    /// <summary>A name that every file system takes, and that sorts as the variants stand.</summary>
    private static string FolderName(int number, string name)
    {
        var plain = string.Concat(name.Select(static c => char.IsAsciiLetterOrDigit(c) ? char.ToLowerInvariant(c) : '-'));
        var words = string.Join('-', plain.Split('-', StringSplitOptions.RemoveEmptyEntries));
        return string.Create(CultureInfo.InvariantCulture, $"{number:D2}-{(words.Length > LongestFolder ? words[..LongestFolder] : words)}").TrimEnd('-');
    }
}
