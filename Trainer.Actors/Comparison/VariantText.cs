using System.Text;
using System.Text.RegularExpressions;

namespace CnnCluster.Trainer.Comparison;

/// <summary>A variant as the command line says it: <c>NAME: SETTING=VALUE; SETTING=VALUE; …</c>, the name as one likes.</summary>
/// <param name="Text">As it was said.</param>
/// <param name="Name">What it is called; the text itself where no name is given.</param>
/// <param name="Train">The train part, as <c>train=NAME</c> or <c>train=FILE:NAME</c> says; null for that of all.</param>
/// <param name="Changes">Settings as <c>--set</c> takes them.</param>
public sealed partial record VariantText(string Text, string Name, string? Train, IReadOnlyList<string> Changes)
{
    private const string TrainKey = "train";
    private const string SeedKey = "seed";

    /// <exception cref="UserException">It says nothing, or what all variants must have alike.</exception>
    public static VariantText Parse(string text)
    {
        var named = Named().Match(text);
        var name = named.Success ? named.Groups["name"].Value.Trim() : text.Trim();
        var items = Split(named.Success ? named.Groups["rest"].Value : text).Select(static item => (Key: KeyOf(item), Item: item)).ToList();
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

    private static string KeyOf(string item) => item.Split('=', 2)[0].Trim();

    private static string ValueOf(string item) => item.Split('=', 2) is [_, var value] ? value.Trim() : "";

    /// <summary>The parts between semicolons that stand in no brackets and no quotes.</summary>
    private static List<string> Split(string text)
    {
        var (parts, part, depth, quoted) = (new List<string>(), new StringBuilder(), 0, false);
        foreach (var c in text)
        {
            quoted ^= c == '"';
            depth += quoted ? 0 : c is '[' or '(' or '{' ? 1 : c is ']' or ')' or '}' ? -1 : 0;
            if (c == ';' && depth <= 0 && !quoted)
            {
                parts.Add(part.ToString());
                part.Clear();
            }
            else
            {
                part.Append(c);
            }
        }

        return [.. parts.Append(part.ToString()).Select(static p => p.Trim()).Where(static p => p.Length > 0)];
    }

    /// <summary>A name ends with a colon and a blank, or the end, in front of any '='.</summary>
    [GeneratedRegex(@"\A(?<name>[^=:;]*):(\s+(?<rest>.*))?\z", RegexOptions.Singleline | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Named();
}
