using CnnCluster.Kernels;

namespace CnnCluster.Trainer.Data;

/// <summary>What a run asks of a data set.</summary>
/// <param name="Folder">Where the user says the files are; null to look in the usual places.</param>
/// <param name="Settings">A value for each of the data set's settings.</param>
public sealed record DataRequest(string? Folder, SettingValues Settings);

/// <summary>A catalogue entry: a data set as scripts name it.</summary>
/// <param name="Name">The word scripts use.</param>
/// <param name="Summary">One sentence for <c>cnn help</c> and the reference.</param>
/// <param name="Height">Of every image, in pixels.</param>
/// <param name="Width">Of every image, in pixels.</param>
/// <param name="Channels">Values per pixel.</param>
/// <param name="Classes">Labels run from 0 to Classes − 1.</param>
/// <param name="Settings">What scripts can set.</param>
/// <param name="Load">Reads or makes the set; throws a <see cref="UserException"/> where it cannot be had.</param>
public sealed record DataSetDefinition(
    string Name,
    string Summary,
    int Height,
    int Width,
    int Channels,
    int Classes,
    IReadOnlyList<Setting> Settings,
    Func<DataRequest, DataSet> Load);
