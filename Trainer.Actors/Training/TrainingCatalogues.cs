using CnnCluster.Dsl;
using CnnCluster.Kernels;
using CnnCluster.Trainer.Data;

namespace CnnCluster.Trainer.Training;

/// <summary>What the language must know of the catalogues that live here, and the way back from its choices.</summary>
public static class TrainingCatalogues
{
    public static Catalogues All { get; } = Catalogues.Of(
        [.. DataSets.All.Select(static d => new DataSetEntry(d.Name, d.Summary, d.Inputs, d.Targets, d.Settings))],
        [.. Data.Augmentations.All.Select(static a => new AugmentationEntry(a.Name, a.Summary, a.Settings))]);

    public static DataSetDefinition DataSetOf(TrainPlan plan) => DataSets.All.Single(d => d.Name == plan.Data.Definition.Name);

    public static IReadOnlyList<Augmentation> AugmentationsOf(TrainPlan plan) =>
        [.. plan.Augmentations.Select(static chosen => Data.Augmentations.All.Single(a => a.Name == chosen.Definition.Name).Create(chosen.Settings))];

    /// <summary>
    /// Reads or makes the plan's data, with the inputs that its network takes, in the network's order, and holds out the
    /// share that the script validates on.
    /// </summary>
    /// <param name="plan">Names the data set.</param>
    /// <param name="folder">Where the user says it is; null or empty for the usual places.</param>
    public static DataSet Load(TrainPlan plan, string? folder)
    {
        var (train, validation) = DataSetOf(plan).Load(new DataRequest(string.IsNullOrEmpty(folder) ? null : folder, plan.Data.Settings));
        train = train.WithInputs(plan.InputSources);
        if (plan.ValidationSplit == 0)
        {
            return new DataSet(train, validation.WithInputs(plan.InputSources));
        }

        var held = (int)(train.Count * plan.ValidationSplit);
        return held > 0 && held < train.Count
            ? new DataSet(train.Range(0, train.Count - held), train.Range(train.Count - held, held))
            : throw new UserException($"validation split={plan.ValidationSplit} leaves {train.Count - held} of {train.Count} samples to train on and {held} to validate on.");
    }
}
