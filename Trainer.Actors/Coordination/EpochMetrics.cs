using CnnCluster.Trainer.Protocol;
using CnnCluster.Trainer.Training;
using Google.Protobuf.Collections;

namespace CnnCluster.Trainer.Coordination;

/// <summary>One epoch's figures over the whole cluster. Losses include the regularization losses, as Keras' do.</summary>
/// <param name="Epoch">From 1.</param>
/// <param name="Step">Steps committed by the end of the epoch.</param>
/// <param name="Values">Figures by name: <c>train_loss</c>, <c>val_loss</c>, and <c>train_NAME</c>, <c>val_NAME</c> for each of the script's further figures.</param>
/// <param name="RegularizationLosses">What <c>val_loss</c> has of each regularized weight, by the weight's name.</param>
/// <param name="ImagesPerSecond">Training images, over all workers, per second of training.</param>
/// <param name="LearningRate">The last step's.</param>
public sealed record EpochMetrics(
    int Epoch, long Step, IReadOnlyDictionary<string, double> Values, IReadOnlyDictionary<string, double> RegularizationLosses,
    double ImagesPerSecond, double LearningRate)
{
    /// <summary>The sum of the regularization losses.</summary>
    public double RegularizationLoss => RegularizationLosses.Values.Sum();

    /// <summary>The regularization losses within <c>train_loss</c>: a mean over the epoch, in which the weights change.</summary>
    public double TrainingPenalty { get; init; }

    /// <summary>Steps of the epoch that changed nothing, because their gradients were not finite in 16 bits.</summary>
    public long SkippedSteps { get; init; }

    /// <summary>Whether any step was applied; where all were skipped, the training figures are NaN.</summary>
    public bool HasTrained => !Values.TryGetValue("train_loss", out var loss) || !double.IsNaN(loss);

    public double this[string name] => Values[name];

    /// <summary>Puts an epoch's figures together.</summary>
    /// <param name="trained">Rank 0's report: the reduction gave every rank the same global sums.</param>
    /// <param name="validated">Every rank's sums over its own part of the validation samples, in rank order.</param>
    /// <param name="figureNames">The script's further figures, in the order of the sums.</param>
    /// <param name="regularized">The regularized weights' names, in the order of the sums.</param>
    public static EpochMetrics From(
        EpochTrained trained, IEnumerable<EpochSums> validated, IReadOnlyList<string> figureNames, IReadOnlyList<string> regularized)
    {
        var values = new Dictionary<string, double>(StringComparer.Ordinal);
        var validation = Total(validated);
        AddMeans(values, "train_", trained.Sums, figureNames);
        AddMeans(values, "val_", validation, figureNames);
        return new EpochMetrics(
            trained.Epoch, trained.Step, values, PenaltiesOf(validation, regularized),
            trained.TimedSamples / trained.Seconds, trained.LearningRate)
        {
            TrainingPenalty = trained.Sums.Penalty / trained.Sums.Samples,
            SkippedSteps = trained.Sums.SkippedSteps,
        };
    }

    /// <summary>Adds sums up, in the order given, so that the same parts give the same bits.</summary>
    public static EpochSums Total(IEnumerable<EpochSums> parts)
    {
        var total = new EpochSums();
        foreach (var part in parts)
        {
            Add(total, part);
        }

        return total;
    }

    /// <summary>Adds one part's sums to a total.</summary>
    public static void Add(EpochSums total, EpochSums part)
    {
        total.Samples += part.Samples;
        total.Loss += part.Loss;
        total.Penalty += part.Penalty;
        total.SkippedSteps += part.SkippedSteps;
        AddEach(total.Penalties, [.. part.Penalties]);
        AddEach(total.Figures, [.. part.Figures]);
    }

    /// <summary>Adds a step's samples to an epoch's.</summary>
    public static void Add(EpochSums total, StepResult step)
    {
        total.Samples += step.Samples;
        total.Loss += step.Loss * step.Samples;
        total.Penalty += step.Penalty * step.Samples;
        AddEach(total.Figures, step.Figures);
    }

    /// <summary>The means of the regularization losses, by the weights' names.</summary>
    public static IReadOnlyDictionary<string, double> PenaltiesOf(EpochSums sums, IReadOnlyList<string> regularized)
    {
        var losses = new OrderedDictionary<string, double>(StringComparer.Ordinal);
        foreach (var (name, sum) in regularized.Zip(sums.Penalties))
        {
            losses[name] = sum / sums.Samples;
        }

        return losses;
    }

    /// <summary>The means of sums, by name.</summary>
    public static IReadOnlyDictionary<string, double> Means(string prefix, EpochSums sums, IReadOnlyList<string> figureNames)
    {
        var values = new Dictionary<string, double>(StringComparer.Ordinal);
        AddMeans(values, prefix, sums, figureNames);
        return values;
    }

    private static void AddEach(RepeatedField<double> totals, ReadOnlySpan<double> parts)
    {
        while (totals.Count < parts.Length)
        {
            totals.Add(0);
        }

        for (var i = 0; i < parts.Length; i++)
        {
            totals[i] += parts[i];
        }
    }

    private static void AddMeans(Dictionary<string, double> values, string prefix, EpochSums sums, IReadOnlyList<string> figureNames)
    {
        values[prefix + "loss"] = (sums.Loss + sums.Penalty) / sums.Samples;
        for (var i = 0; i < figureNames.Count; i++)
        {
            // Where no step was applied there is no sample, and no figure was ever added.
            values[prefix + figureNames[i]] = sums.Samples == 0 ? double.NaN : sums.Figures[i] / sums.Samples;
        }
    }
}
