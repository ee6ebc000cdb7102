namespace CnnCluster.Bench.Scale.Model;

/// <summary>A network as the page predicts it.</summary>
/// <param name="Title">With its computing time where that is stated and not measured.</param>
/// <param name="Step">Its model.</param>
/// <param name="Samples">Of a worker, where each has the same however many there are.</param>
internal sealed record PredictedNetwork(string Title, StepModel Step, int Samples);

/// <summary>All that is fitted to figures, and what is stated beside it.</summary>
internal sealed class ScaleModel
{
    /// <summary>The whole batch where it is shared out among the workers (as large as Goyal et al. 2017 have it, arXiv 1706.02677).</summary>
    public const int SharedBatch = 8192;

    /// <summary>Stated rates of ResNet-50 on 224×224: one V100 in float32, one A100 in mixed precision.</summary>
    public static IReadOnlyList<(string Title, double SamplesPerSecond)> Stated { get; } =
        [("ResNet-50 at 367 images/s", 367), ("ResNet-50 at 2,470 images/s", 2470)];

    /// <summary>Networks between hosts: gigabits a second, and microseconds on top of what the software takes on loopback. Assumed.</summary>
    public static IReadOnlyList<(double Gigabits, double Microseconds)> Given { get; } = [(1, 25), (10, 10), (25, 7), (100, 5)];

    private static readonly Dictionary<string, (string Title, int Samples)> Titles = new()
    {
        ["lenet5"] = ("LeNet-5", 64),
        ["vgg"] = ("VGG-like, 32×32 colour", 32),
        ["resnet18"] = ("ResNet-18, 32×32 colour", 32),
    };

    private const string LargeNetwork = "resnet50";
    private const string LikeLarge = "resnet18";
    private const int StatedSamples = 32;
    private readonly ScaleFigures figures;

    public ScaleModel(ScaleFigures figures)
    {
        this.figures = figures;
        Fits = [.. figures.Links.Where(static point => point.Link != LinkKind.Hosts).GroupBy(static point => point.Link).Select(points => LinkFit.Of([.. points], figures.Machine.Cores, Schedule.IsHeldOut))];
        Networks = [.. Measured(), .. Large()];
        (Between, Plain) = (Over(CostOf(LinkKind.Tls)), Over(CostOf(LinkKind.Tcp)));
    }

    public IReadOnlyList<LinkFit> Fits { get; }

    public IReadOnlyList<PredictedNetwork> Networks { get; }

    /// <summary>The networks that are given, under ranks that speak TLS.</summary>
    public IReadOnlyList<Link> Between { get; }

    /// <summary>The same without TLS, as runs that keep to loopback have it: to show what TLS costs.</summary>
    public IReadOnlyList<Link> Plain { get; }

    public Link Within => new("one host", CostOf(LinkKind.SharedMemory));

    public LinkCost CostOf(LinkKind kind) => FitOf(kind).Cost;

    /// <summary>Sums by hosts on this machine, of which no cost is fitted.</summary>
    public IReadOnlyList<FittedPoint> ByHosts() => [.. figures.Links
        .Where(static point => point.Link == LinkKind.Hosts)
        .Select(point => new FittedPoint(point, SecondsByHosts(point), HeldOut: true))];

    /// <summary>What two workers on this machine should take for a step.</summary>
    public StepTime Pair(PairPoint pair)
    {
        var sharing = LinkCost.Sharing(2, figures.Machine.Cores);
        var cost = CostOf(pair.Link);
        return StepOf(pair.Network).Step(pair.Samples / 2.0, 2, Reduce, rounded: false);

        LinkTime Reduce(double bytes, bool rounded)
        {
            var seconds = sharing * cost.Seconds(MeasuredWork.Of(new LinkPoint(pair.Link, 2, MeasuredOperation.AllReduce, (long)bytes, 0, 0, 0)));

            // Both ranks' processors are all that there is.
            return new LinkTime(seconds, seconds);
        }
    }

    public StepModel StepOf(string network) => new(ShapeOf(network), TimeOf(network), JitterOf(network));

    /// <summary>Measured points that the lines of the computing time do not go through.</summary>
    public IEnumerable<ComputingPoint> HeldOut(string network) => PointsOf(network).Where(static point => Schedule.IsHeldOut(point));

    /// <summary>As unequal as steps of the middle one of all numbers of samples: one long delay of the machine spoils one.</summary>
    public Jitter JitterOf(string network) => new(Median.Of([.. PointsOf(network)
        .Where(static point => point.Slowest.Count > 0)
        .Select(static point => Jitter.Of(point.Slowest.Select(slowest => (slowest.Steps, (slowest.Seconds / point.Seconds) - 1))).Scale)]));

    private LinkFit FitOf(LinkKind kind) => Fits.Single(fit => fit.Link == kind);

    private double SecondsByHosts(LinkPoint point)
    {
        var cores = figures.Machine.Cores;
        var within = new Link("host", FitOf(LinkKind.SharedMemory).CostOf(point.World, cores));
        var between = Link.Loopback(FitOf(LinkKind.Tls).CostOf(point.World, cores));
        return LinkCost.Sharing(point.World, cores) * Reductions.ByHosts(within, between, 2, point.World / 2, point.Bytes, rounded: false).Seconds;
    }

    private static IReadOnlyList<Link> Over(LinkCost cost) =>
        [.. Given.Select(given => Link.Network($"{given.Gigabits:0} Gbit/s", cost, given.Gigabits, given.Microseconds * 1e-6))];

    private IEnumerable<PredictedNetwork> Measured() =>
        from shape in figures.Networks
        where Titles.ContainsKey(shape.Name)
        select new PredictedNetwork(Titles[shape.Name].Title, StepOf(shape.Name), Titles[shape.Name].Samples);

    /// <remarks>As unequal as the steps of the greatest network here.</remarks>
    private IEnumerable<PredictedNetwork> Large() => Stated.Select(stated => new PredictedNetwork(
        stated.Title,
        new StepModel(ShapeOf(LargeNetwork), ComputingTime.OfRate(stated.SamplesPerSecond), JitterOf(LikeLarge)) { IsAccelerated = true },
        StatedSamples));

    private NetworkShape ShapeOf(string network) => figures.Networks.Single(shape => shape.Name == network);

    private IEnumerable<ComputingPoint> PointsOf(string network) => figures.Computing.Where(point => point.Network == network);

    private ComputingTime TimeOf(string network) => new(PointsOf(network)
        .Where(static point => !Schedule.IsHeldOut(point))
        .Select(static point => ((double)point.Samples, point.Seconds)));
}
