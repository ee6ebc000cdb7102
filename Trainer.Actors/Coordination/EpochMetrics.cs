using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Coordination;

/// <summary>One epoch's figures over the whole cluster. Losses include the regularization losses, as Keras' do.</summary>
/// <param name="Epoch">From 1.</param>
/// <param name="Step">Steps committed by the end of the epoch.</param>
/// <param name="Values">Figures by name: <c>train_loss</c>, <c>val_loss</c>, and <c>train_NAME</c>, <c>val_NAME</c> for each of the script's further figures.</param>
/// <param name="Penalty">The regularization losses within <c>val_loss</c>.</param>
/// <param name="ImagesPerSecond">Training images, over all workers, per second of training.</param>
/// <param name="LearningRate">The last step's.</param>
public sealed record EpochMetrics(
    int Epoch, long Step, IReadOnlyDictionary<string, double> Values, double Penalty, double ImagesPerSecond, double LearningRate)
{
    public double this[string name] => Values[name];

    /// <summary>Puts an epoch's figures together.</summary>
    /// <param name="trained">Rank 0's report: the reduction gave every rank the same global sums.</param>
    /// <param name="validated">Every rank's sums over its own part of the validation samples, in rank order.</param>
    /// <param name="figureNames">The script's further figures, in the order of the sums.</param>
    public static EpochMetrics From(EpochTrained trained, IEnumerable<EpochSums> validated, IReadOnlyList<string> figureNames)
    {
        var values = new Dictionary<string, double>(StringComparer.Ordinal);
        var validation = Total(validated);
        AddMeans(values, "train_", trained.Sums, figureNames);
        AddMeans(values, "val_", validation, figureNames);
        return new EpochMetrics(
            trained.Epoch, trained.Step, values, validation.Penalty / validation.Samples,
            trained.Sums.Samples / trained.Seconds, trained.LearningRate);
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
        while (total.Figures.Count < part.Figures.Count)
        {
            total.Figures.Add(0);
        }

        for (var i = 0; i < part.Figures.Count; i++)
        {
            total.Figures[i] += part.Figures[i];
        }
    }

    /// <summary>The means of sums, by name.</summary>
    public static IReadOnlyDictionary<string, double> Means(string prefix, EpochSums sums, IReadOnlyList<string> figureNames)
    {
        var values = new Dictionary<string, double>(StringComparer.Ordinal);
        AddMeans(values, prefix, sums, figureNames);
        return values;
    }

    private static void AddMeans(Dictionary<string, double> values, string prefix, EpochSums sums, IReadOnlyList<string> figureNames)
    {
        values[prefix + "loss"] = (sums.Loss + sums.Penalty) / sums.Samples;
        for (var i = 0; i < figureNames.Count; i++)
        {
            values[prefix + figureNames[i]] = sums.Figures[i] / sums.Samples;
        }
    }
}
