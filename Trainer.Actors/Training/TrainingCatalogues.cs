using CnnCluster.Dsl;
using CnnCluster.Kernels;
using CnnCluster.Trainer.Data;

namespace CnnCluster.Trainer.Training;

/// <summary>What the language must know of the catalogues that live here, and the way back from its choices.</summary>
public static class TrainingCatalogues
{
    public static Catalogues All { get; } = Catalogues.Of(
        [.. DataSets.All.Select(static d => new DataSetEntry(d.Name, d.Height, d.Width, d.Channels, d.Classes, d.Settings))],
        [.. Data.Augmentations.All.Select(static a => new AugmentationEntry(a.Name, a.Settings))]);

    public static DataSetDefinition DataSetOf(TrainPlan plan) => DataSets.All.Single(d => d.Name == plan.Data.Definition.Name);

    public static IReadOnlyList<Augmentation> AugmentationsOf(TrainPlan plan) =>
        [.. plan.Augmentations.Select(static chosen => Data.Augmentations.All.Single(a => a.Name == chosen.Definition.Name).Create(chosen.Settings))];

    /// <summary>Reads or makes the plan's data, and holds out the share that the script validates on.</summary>
    /// <param name="plan">Names the data set.</param>
    /// <param name="folder">Where the user says it is; null or empty for the usual places.</param>
    public static DataSet Load(TrainPlan plan, string? folder)
    {
        var data = DataSetOf(plan).Load(new DataRequest(string.IsNullOrEmpty(folder) ? null : folder, plan.Data.Settings));
        if (plan.ValidationSplit == 0)
        {
            return data;
        }

        var held = (int)(data.Train.Count * plan.ValidationSplit);
        return held > 0 && held < data.Train.Count
            ? new DataSet(data.Train.Range(0, data.Train.Count - held), data.Train.Range(data.Train.Count - held, held))
            : throw new UserException($"validation split={plan.ValidationSplit} leaves {data.Train.Count - held} of {data.Train.Count} samples to train on and {held} to validate on.");
    }
}
