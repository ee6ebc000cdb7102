using System.Text.Json;
using System.Text.Json.Serialization;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Metrics;

namespace CnnCluster.Trainer.Comparison;

/// <summary>One epoch of a cell.</summary>
public sealed record EpochFigures
{
    public required int Epoch { get; init; }

    public required long Step { get; init; }

    /// <summary>As <see cref="EpochMetrics.Values"/>: losses with what regularization adds.</summary>
    public required IReadOnlyDictionary<string, double> Values { get; init; }

    /// <summary>What regularization adds to the mean training loss.</summary>
    public required double TrainingPenalty { get; init; }

    /// <summary>What it adds to the validation loss, by weight.</summary>
    public required IReadOnlyDictionary<string, double> RegularizationLosses { get; init; }

    public required double ImagesPerSecond { get; init; }

    public required double LearningRate { get; init; }

    /// <summary>The training loss of the samples alone.</summary>
    [JsonIgnore]
    public double TrainLoss => Values["train_loss"] - TrainingPenalty;

    /// <summary>The validation loss of the samples alone, which is what networks with other regularizers are compared by.</summary>
    [JsonIgnore]
    public double ValidationLoss => Values["val_loss"] - RegularizationLosses.Values.Sum();

    public static EpochFigures Of(EpochMetrics metrics) => new()
    {
        Epoch = metrics.Epoch,
        Step = metrics.Step,
        Values = metrics.Values,
        TrainingPenalty = metrics.TrainingPenalty,
        RegularizationLosses = metrics.RegularizationLosses,
        ImagesPerSecond = metrics.ImagesPerSecond,
        LearningRate = metrics.LearningRate,
    };
}

/// <summary>A variant trained with a seed: <c>cell.json</c> in its folder, which is there when the cell is finished.</summary>
public sealed record CellResult
{
    public required string Variant { get; init; }

    public required ulong Seed { get; init; }

    /// <summary>Why it ended, as events name it.</summary>
    public required string Reason { get; init; }

    /// <summary>What became of a cell that failed; else empty.</summary>
    public required string Message { get; init; }

    /// <summary>The epoch that early stopping thinks best; 0 if none.</summary>
    public required int BestEpoch { get; init; }

    /// <summary>The figures of the weights it ended with; null if it failed.</summary>
    public required EpochFigures? Final { get; init; }

    public required string WeightsSha256 { get; init; }

    public required double Seconds { get; init; }

    public required IReadOnlyList<EpochFigures> Epochs { get; init; }

    [JsonIgnore]
    public bool HasFailed => Reason == RunJson.NameOf(StopReason.Failed);

    public string ToJson() => JsonSerializer.Serialize(this, ComparisonJson.Options);

    /// <exception cref="JsonException">The text is no such JSON.</exception>
    public static CellResult FromJson(string text) =>
        JsonSerializer.Deserialize<CellResult>(text, ComparisonJson.Options) ?? throw new JsonException("the text is null");
}
