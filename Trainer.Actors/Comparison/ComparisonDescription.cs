using System.Text.Json;

namespace CnnCluster.Trainer.Comparison;

/// <summary>What a comparison was started with: <c>comparison.json</c> in its folder, which <c>--resume</c> goes on with.</summary>
public sealed record ComparisonDescription
{
    public required IReadOnlyList<Variant> Variants { get; init; }

    /// <summary>The same for each variant.</summary>
    public required IReadOnlyList<ulong> Seeds { get; init; }

    /// <summary>Workers of one cell.</summary>
    public required int Workers { get; init; }

    public required IReadOnlyList<string> Devices { get; init; }

    /// <summary>Intra-operation threads of one worker.</summary>
    public required int Threads { get; init; }

    /// <summary>Steps after which each cell stops; 0 for no limit.</summary>
    public required long StepLimit { get; init; }

    /// <summary>Where the data lies; null for the usual place.</summary>
    public required string? DataFolder { get; init; }

    /// <summary>The fingerprint of each variant's samples, in the variants' order.</summary>
    public IReadOnlyList<string> DataFingerprints { get; init; } = [];

    public required IReadOnlyDictionary<string, string> Versions { get; init; }

    public required DateTimeOffset Started { get; init; }

    /// <summary>All cells in the order they are trained: every variant with the first seed, then with the next.</summary>
    public IEnumerable<(Variant Variant, ulong Seed)> Cells() => Seeds.SelectMany(seed => Variants.Select(variant => (variant, seed)));

    public string ToJson() => JsonSerializer.Serialize(this, ComparisonJson.Options);

    /// <exception cref="JsonException">The text is no such JSON.</exception>
    public static ComparisonDescription FromJson(string text) =>
        JsonSerializer.Deserialize<ComparisonDescription>(text, ComparisonJson.Options) ?? throw new JsonException("the text is null");
}
