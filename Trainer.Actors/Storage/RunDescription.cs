using System.Text.Json;

namespace CnnCluster.Trainer.Storage;

/// <summary>What a run was started with; <c>run.json</c> in its folder.</summary>
public sealed record RunDescription
{
    /// <summary>The network's name in the script.</summary>
    public required string Network { get; init; }

    /// <summary>The name of the script's training that runs.</summary>
    public required string Train { get; init; }

    public required ulong Seed { get; init; }

    /// <summary>Workers in all, over all processes.</summary>
    public required int World { get; init; }

    /// <summary>Workers in one process.</summary>
    public required int Workers { get; init; }

    public required int Processes { get; init; }
    public required IReadOnlyList<string> Devices { get; init; }

    /// <summary>Intra-operation threads of one worker.</summary>
    public required int Threads { get; init; }

    /// <summary>In exact mode the shards of a batch; null where the bits depend on the number of workers.</summary>
    public int? ExactShards { get; init; }

    /// <summary>What gradients become between hosts: float32, which they are, or a type of 16 bits. Null in a run of a version that could not choose.</summary>
    public string? Wire { get; init; }

    /// <summary>The data set's name.</summary>
    public required string Data { get; init; }

    /// <summary>Where the data lies; null for the usual place.</summary>
    public string? DataFolder { get; init; }

    /// <summary>The samples' fingerprint; null in a run of a version that did not keep it.</summary>
    public string? DataFingerprint { get; init; }

    /// <summary>What the figures depend on besides: cnn, dotnet, torch, os, instruction set.</summary>
    public required IReadOnlyDictionary<string, string> Versions { get; init; }

    public required DateTimeOffset Started { get; init; }

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        RespectNullableAnnotations = true,
        WriteIndented = true,
    };

    public string ToJson() => JsonSerializer.Serialize(this, Json);

    /// <exception cref="JsonException">The text is no JSON, or a value is missing or of another kind.</exception>
    public static RunDescription FromJson(string text) =>
        JsonSerializer.Deserialize<RunDescription>(text, Json) ?? throw new JsonException("the text is null");
}
