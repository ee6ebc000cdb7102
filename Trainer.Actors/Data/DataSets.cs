using CnnCluster.Dsl;
using CnnCluster.Kernels;
using CnnCluster.Trainer.Data.Digits;

namespace CnnCluster.Trainer.Data;

/// <summary>The data sets that scripts can name.</summary>
public static class DataSets
{
    private const int Side = 28;
    private const int Classes = 10;

    private static readonly DataSetDefinition Mnist = Published(
        PublishedSet.Mnist, "Handwritten digits (LeCun, Cortes, Burges): 60,000 for training, 10,000 for validation.");

    private static readonly DataSetDefinition FashionMnist = Published(
        PublishedSet.FashionMnist,
        "Pieces of clothing (Xiao, Rasul, Vollgraf, 2017): 60,000 for training, 10,000 for validation.");

    private static readonly DataSetDefinition GeneratedDigits = Generated(
        "digits",
        "Digits that are drawn from pen strokes when they are asked for; needs no files.",
        [Image("image")],
        [new DataTarget("labels", TargetKind.NewClasses(DigitSet.Classes))],
        DigitSet.Generate);

    private static readonly DataSetDefinition GeneratedPairs = Generated(
        "digit-pairs",
        "Pairs of drawn digits: whether they are the same, what they sum to, how far apart they are; needs no files.",
        [Image("left"), Image("right")],
        [
            new DataTarget("same", TargetKind.NewClasses(2)),
            new DataTarget("sum", TargetKind.NewClasses((2 * DigitSet.Classes) - 1)),
            new DataTarget("difference", TargetKind.NewNumbers(1)),
        ],
        DigitPairs.Generate);

    public static IReadOnlyList<DataSetDefinition> All { get; } = [Mnist, FashionMnist, GeneratedDigits, GeneratedPairs];

    private static DataInput Image(string name) => new(name, Side, Side, 1);

    private static DataSetDefinition Published(PublishedSet set, string summary) => new(
        set.Name,
        summary,
        [Image("image")],
        [new DataTarget("labels", TargetKind.NewClasses(Classes))],
        [
            Setting.Whole("train", 0, 0, 1_000_000, "The first so many samples to train on; 0 takes all."),
            Setting.Whole("test", 0, 0, 1_000_000, "The first so many samples to validate on; 0 takes all."),
        ],
        request => Load(set, request));

    private static DataSet Load(PublishedSet set, DataRequest request)
    {
        var files = DataFolder.Find(set, request.Folder, Environment.GetEnvironmentVariable);
        return new DataSet(
            First("train", request, IdxReader.Read(files.TrainImages, files.TrainLabels, Side, Side, Classes), files.TrainImages),
            First("test", request, IdxReader.Read(files.TestImages, files.TestLabels, Side, Side, Classes), files.TestImages));
    }

    /// <summary>As many samples as a setting asks for.</summary>
    private static SampleSet First(string setting, DataRequest request, SampleSet all, string file)
    {
        var asked = (int)request.Settings[setting];
        return asked <= all.Count
            ? asked is 0 ? all : all.Range(0, asked)
            : throw new UserException($"{setting}={asked} asks for more samples than there are: {file} holds {all.Count}.");
    }

    private static DataSetDefinition Generated(
        string name, string summary, IReadOnlyList<DataInput> inputs, IReadOnlyList<DataTarget> targets, Func<int, int, ulong, DataSet> generate) =>
        new(
            name,
            summary,
            inputs,
            targets,
            [
                Setting.Whole("train", 12_000, 1, 1_000_000, "Samples to train on."),
                Setting.Whole("test", 2_000, 1, 1_000_000, "Samples to validate on."),
                Setting.Whole("seed", 1, 0, int.MaxValue, "Another seed draws other samples."),
            ],
            request => request.Folder is null
                ? generate((int)request.Settings["train"], (int)request.Settings["test"], (ulong)request.Settings["seed"])
                : throw new UserException($"The data set {name} is drawn, not read: it has no use for the folder {request.Folder}."));
}
