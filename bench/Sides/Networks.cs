using System.Globalization;
using CnnCluster.Dsl;
using CnnCluster.Trainer.Data;

namespace CnnCluster.Bench.Sides;

/// <summary>The scripts of <c>bench/networks</c>, each with the same train part.</summary>
internal static class Networks
{
    private const int Classes = 10;

    /// <param name="network">The script's name.</param>
    /// <param name="batch">Samples of a batch.</param>
    /// <param name="shape">Of a sample.</param>
    /// <param name="shards">Of exact mode; null without it.</param>
    public static Training Training(string network, int batch, SampleShape shape, int? shards = null)
    {
        var text = File.ReadAllText(PathOf(network)) + TrainPart(Plan(network).Name, batch, shards);
        var result = Script.Training(new Source($"{network}.cnn", text), null, [], CataloguesFor(shape));
        return result.Value ?? throw new InvalidOperationException(result.Text);
    }

    public static NetworkPlan Plan(string network) => Read(PathOf(network));

    /// <summary>The example, on images of ImageNet's size.</summary>
    public static NetworkPlan ResNet50() => Read(Path.Combine(Repository.Root, "examples", "resnet50.cnn"));

    /// <summary>
    /// Floating-point operations of training on one image: a layer's backward pass has twice its forward pass's, the
    /// first layer's once, as nobody asks for the gradient of the images. A multiply-add counts as two.
    /// </summary>
    public static double TrainingFlop(string network)
    {
        var costs = Plan(network).Nodes.Select(static node => node.Layer.MultiplyAdds?.Value ?? 0).ToList();
        return 2.0 * ((3 * costs.Sum()) - costs.First(static cost => cost > 0));
    }

    private static NetworkPlan Read(string path)
    {
        var result = Script.Network(new Source(Path.GetFileName(path), File.ReadAllText(path)), null, [], Catalogues.LayersOnly);
        return result.Value ?? throw new InvalidOperationException(result.Text);
    }

    private static string PathOf(string network) => Path.Combine(Repository.Root, "bench", "networks", $"{network}.cnn");

    private static string TrainPart(string name, int batch, int? shards) => string.Create(CultureInfo.InvariantCulture, $$"""

        train {{name}} {
            data      samples
            loss      cross-entropy
            optimizer sgd lr=0.01 momentum=0.9
            batch     {{batch}}
            epochs    1000
            seed      1
            {{(shards is null ? "" : $"exact shards={shards}")}}
        }
        """);

    /// <summary>The language with one data set: what the bench wrote for all sides.</summary>
    private static Catalogues CataloguesFor(SampleShape shape) => Catalogues.Of(
        [
            new DataSetEntry(
                "samples",
                "The bench's samples.",
                [new DataInput("image", shape.Height, shape.Width, shape.Channels)],
                [new DataTarget("labels", TargetKind.NewClasses(Classes))],
                []),
        ],
        []);
}
