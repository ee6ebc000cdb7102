using CnnCluster.Dsl;
using CnnCluster.Kernels;

namespace CnnCluster.Trainer.Data;

/// <summary>What a run asks of a data set.</summary>
/// <param name="Folder">Where the user says the files are; null to look in the usual places.</param>
/// <param name="Settings">A value for each of the data set's settings.</param>
public sealed record DataRequest(string? Folder, SettingValues Settings);

/// <summary>A catalogue entry: a data set as scripts name it.</summary>
/// <param name="Name">The word scripts use.</param>
/// <param name="Summary">One sentence for <c>cnn help</c> and the reference.</param>
/// <param name="Inputs">The images of each sample.</param>
/// <param name="Targets">What each sample is labelled with.</param>
/// <param name="Settings">What scripts can set.</param>
/// <param name="Load">Reads or makes the set; throws a <see cref="UserException"/> where it cannot be had.</param>
public sealed record DataSetDefinition(
    string Name,
    string Summary,
    IReadOnlyList<DataInput> Inputs,
    IReadOnlyList<DataTarget> Targets,
    IReadOnlyList<Setting> Settings,
    Func<DataRequest, DataSet> Load);
