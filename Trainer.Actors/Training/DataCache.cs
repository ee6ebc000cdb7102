using System.Collections.Concurrent;
using CnnCluster.Dsl;
using CnnCluster.Trainer.Data;

namespace CnnCluster.Trainer.Training;

/// <summary>Lets the workers of one process share one copy of the data.</summary>
public sealed class DataCache
{
    private readonly ConcurrentDictionary<string, Lazy<DataSet>> loaded = new(StringComparer.Ordinal);

    /// <summary>The data of a plan; the first to ask loads it, the others wait.</summary>
    public DataSet Load(TrainPlan plan, string? folder)
    {
        var settings = string.Join(' ', plan.Data.Settings.Values.Select(static v => $"{v.Key}={v.Value:R}"));
        var key = $"{plan.Data.Definition.Name} {string.Join(',', plan.InputSources)} {settings} {plan.ValidationSplit:R} {folder}";
        return loaded.GetOrAdd(key, _ => new Lazy<DataSet>(() => TrainingCatalogues.Load(plan, folder))).Value;
    }
}
