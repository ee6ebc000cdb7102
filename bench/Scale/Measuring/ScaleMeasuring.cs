using System.Globalization;
using CnnCluster.Bench.Sides;
using CnnCluster.Dsl;
using CnnCluster.Trainer.Security;

namespace CnnCluster.Bench.Scale.Measuring;

/// <summary>Measures all that the cost model needs: some ten minutes, of which the machine should have nothing else to do.</summary>
/// <param name="quick">Whether only to see that all runs.</param>
/// <param name="say">Takes a line for each part that begins.</param>
internal sealed class ScaleMeasuring(bool quick, Action<string> say)
{
    private const string Loopback = "127.0.0.1";
    private const double PairSeconds = 2;
    private const double QuickPairSeconds = 0.2;

    public ScaleFigures Measure()
    {
        var folder = Directory.CreateTempSubdirectory("cnn-scale-").FullName;
        try
        {
            var machine = Machine.Describe(null);
            return new ScaleFigures(DateTimeOffset.UtcNow, machine, [.. Shapes()], [.. Links(folder)], [.. Computing()], [.. Pairs(folder)]) { Quick = quick };
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The networks that are trained here, and ResNet-50.</summary>
    private static IEnumerable<NetworkShape> Shapes() =>
        [.. Schedule.Networks.Select(static network => Shape(network.Network, Networks.Plan(network.Network))), Shape("resnet50", Networks.ResNet50())];

    public static NetworkShape Shape(string name, NetworkPlan plan) => new(
        name,
        plan.Parameters,
        [.. plan.Nodes.Where(static node => node.Layer.UsesBatch && !node.Layer.Buffers.IsEmpty).Select(static node => node.Layer.Buffers.Head.Shape.Head)]);

    private IEnumerable<LinkPoint> Links(string folder)
    {
        var names = NodeNames.Parse(Loopback);
        var authority = Path.Combine(folder, "certificates");
        CertificateFolders.Create(authority, [names], DateTimeOffset.UtcNow, days: 1);
        return
            from link in Enum.GetValues<LinkKind>()
            from world in Schedule.WorldsOf(link, quick)
            from point in Said($"{link}, {world} ranks", () => LinkMeasuring.Measure(link, world, quick, CertificateFolders.OfNode(authority, names)))
            select point;
    }

    private IEnumerable<ComputingPoint> Computing() => Schedule.Networks.SelectMany(network => Said($"{network.Network}, one worker", () =>
    {
        using var part = new PartProcess(
            ScalePartCommand.Computing, network.Network, network.MostSamples.ToString(CultureInfo.InvariantCulture), quick.ToString());
        return ScaleFigures.FromJson<IReadOnlyList<ComputingPoint>>(part.ReadLine());
    }));

    private IEnumerable<PairPoint> Pairs(string folder) =>
        from pair in quick ? Schedule.Pairs.Take(1) : Schedule.Pairs
        let samples = WriteSamples(folder, pair.Network)
        from link in new[] { LinkKind.Threads, LinkKind.SharedMemory, LinkKind.Tcp }
        select Pair(pair.Network, pair.Samples, link, samples);

    private PairPoint Pair(string network, int samples, LinkKind link, string folder) => Said($"{network}, two workers, {samples} samples, {link}", () =>
    {
        using var part = new PartProcess(
            ScalePartCommand.Pair,
            network,
            samples.ToString(CultureInfo.InvariantCulture),
            link.ToString(),
            folder,
            (quick ? QuickPairSeconds : PairSeconds).ToString(CultureInfo.InvariantCulture));
        return new PairPoint(network, link, samples, ScaleFigures.FromJson<double>(part.ReadLine()));
    });

    private static string WriteSamples(string folder, string network)
    {
        var own = Path.Combine(folder, network);
        if (!Directory.Exists(own)) SampleFiles.Write(own, ComputingMeasuring.Samples(network, 2048));
        return own;
    }

    private T Said<T>(string part, Func<T> measure)
    {
        say(part);
        return measure();
    }
}
