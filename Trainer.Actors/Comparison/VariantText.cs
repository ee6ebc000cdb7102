using System.Text.RegularExpressions;
using CnnCluster.Dsl;

namespace CnnCluster.Trainer.Comparison;

/// <summary>A variant as the command line says it: <c>NAME: SETTING=VALUE; SETTING=VALUE; …</c>, the name as one likes.</summary>
/// <param name="Text">As it was said.</param>
/// <param name="Name">What it is called; the text itself where no name is given.</param>
/// <param name="Train">The train part, as <c>train=NAME</c> or <c>train=FILE:NAME</c> says; null for that of all.</param>
/// <param name="Changes">Its settings, each where it stands in the text.</param>
public sealed partial record VariantText(string Text, string Name, string? Train, IReadOnlyList<Change> Changes)
{
    private const string TrainKey = "train";
    private const string SeedKey = "seed";

    /// <exception cref="UserException">It says nothing, or what all variants must have alike.</exception>
    public static VariantText Parse(string text)
    {
        var named = Named().Match(text);
        var name = named.Success ? named.Groups["name"].Value.Trim() : text.Trim();
        var rest = named.Groups["rest"];
        var items = Split(text, rest.Success ? rest.Index : named.Success ? text.Length : 0).Select(static item => (Key: KeyOf(item), Item: item)).ToList();
        if (name.Length == 0 || (items.Count == 0 && !named.Success))
        {
            throw new UserException($"--vary \"{text}\" says nothing: it takes SETTING=VALUE, with others behind ';', and a name in front, as in \"none:\" or \"L2: train=LeNetL2; batch=64\".");
        }

        if (items.Exists(static item => item.Key == SeedKey))
        {
            throw new UserException($"--vary \"{text}\" sets the seed, which is the same for all variants: --seeds says how many there are, --set seed=N the first.");
        }

        var parts = items.FindAll(static item => item.Key == TrainKey);
        return parts.Count <= 1
            ? new VariantText(text, name, parts.Select(static part => ValueOf(part.Item)).FirstOrDefault(), [.. items.Except(parts).Select(static item => item.Item)])
            : throw new UserException($"--vary \"{text}\" names {parts.Count} train parts.");
    }

    private static string KeyOf(Change item) => item.Text.Split('=', 2)[0].Trim();

    private static string ValueOf(Change item) => item.Text.Split('=', 2) is [_, var value] ? value.Trim() : "";

    /// <summary>The parts, from a place on, between semicolons that stand in no brackets and no quotes.</summary>
    private static IEnumerable<Change> Split(string text, int start)
    {
        var (depth, quoted) = (0, false);
        for (var i = start; i <= text.Length; i++)
        {
            var c = i < text.Length ? text[i] : ';';
            quoted ^= c == '"';
            depth += quoted ? 0 : c is '[' or '(' or '{' ? 1 : c is ']' or ')' or '}' ? -1 : 0;
            if (i < text.Length && (c != ';' || depth > 0 || quoted)) continue;
            var part = text[start..i];
            var at = start + (part.Length - part.TrimStart().Length);
            if (!string.IsNullOrWhiteSpace(part)) yield return Change.Vary(text, at, part.Trim());
            start = i + 1;
        }
    }

    /// <summary>A name ends with a colon and a blank, or the end, in front of any '='.</summary>
    [GeneratedRegex(@"\A(?<name>[^=:;]*):(\s+(?<rest>.*))?\z", RegexOptions.Singleline | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Named();
}
