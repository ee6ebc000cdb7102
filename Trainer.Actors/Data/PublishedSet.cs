namespace CnnCluster.Trainer.Data;

/// <summary>A data set that its authors publish as four IDX files.</summary>
/// <param name="Name">Its name in scripts, and its folder's.</param>
/// <param name="Address">Where it is published.</param>
public sealed record PublishedSet(string Name, string Address)
{
    public static PublishedSet Mnist { get; } = new("mnist", "https://ossci-datasets.s3.amazonaws.com/mnist/");

    public static PublishedSet FashionMnist { get; } =
        new("fashion-mnist", "https://github.com/zalandoresearch/fashion-mnist");

    public static IReadOnlyList<PublishedSet> All { get; } = [Mnist, FashionMnist];
}
