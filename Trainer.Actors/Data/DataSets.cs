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

    public static IReadOnlyList<DataSetDefinition> All { get; } = [Mnist, FashionMnist];

    private static DataSetDefinition Published(PublishedSet set, string summary) =>
        new(set.Name, summary, Side, Side, 1, Classes, [], request => Load(set, request));

    private static DataSet Load(PublishedSet set, DataRequest request)
    {
        var files = DataFolder.Find(set, request.Folder, Environment.GetEnvironmentVariable);
        return new DataSet(
            IdxReader.Read(files.TrainImages, files.TrainLabels, Side, Side, Classes),
            IdxReader.Read(files.TestImages, files.TestLabels, Side, Side, Classes));
    }
}
