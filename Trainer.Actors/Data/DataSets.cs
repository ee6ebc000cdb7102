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

    private static readonly DataSetDefinition GeneratedDigits = new(
        "digits",
        "Digits that are drawn from pen strokes when they are asked for; needs no files.",
        DigitSet.Side,
        DigitSet.Side,
        1,
        DigitSet.Classes,
        [
            Setting.Whole("train", 12_000, 1, 1_000_000, "Images to train on."),
            Setting.Whole("test", 2_000, 1, 1_000_000, "Images to validate on."),
            Setting.Whole("seed", 1, 0, int.MaxValue, "Another seed draws other images."),
        ],
        Generate);

    public static IReadOnlyList<DataSetDefinition> All { get; } = [Mnist, FashionMnist, GeneratedDigits];

    private static DataSetDefinition Published(PublishedSet set, string summary) =>
        new(set.Name, summary, Side, Side, 1, Classes, [], request => Load(set, request));

    private static DataSet Load(PublishedSet set, DataRequest request)
    {
        var files = DataFolder.Find(set, request.Folder, Environment.GetEnvironmentVariable);
        return new DataSet(
            IdxReader.Read(files.TrainImages, files.TrainLabels, Side, Side, Classes),
            IdxReader.Read(files.TestImages, files.TestLabels, Side, Side, Classes));
    }

    private static DataSet Generate(DataRequest request)
    {
        if (request.Folder is { } folder)
        {
            throw new UserException($"The data set digits is drawn, not read: it has no use for the folder {folder}.");
        }

        var settings = request.Settings;
        return DigitSet.Generate((int)settings["train"], (int)settings["test"], (ulong)settings["seed"]);
    }
}
