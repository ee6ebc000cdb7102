namespace CnnCluster.Bench.Scale.Model;

/// <summary>A measured operation, and what the model makes of it.</summary>
/// <param name="HeldOut">Whether the model has not seen it.</param>
internal sealed record FittedPoint(LinkPoint Point, double Predicted, bool HeldOut)
{
    /// <summary>How many times too long, or too short, whichever is more than 1.</summary>
    public double Factor => Math.Max(Predicted / Point.Seconds, Point.Seconds / Predicted);
}

/// <summary>The cost of one kind of link, fitted to measurements.</summary>
/// <param name="Link">Which kind.</param>
/// <param name="Cost">What fits best, of ranks that have a core each.</param>
/// <param name="Turn">Seconds that a message in a row takes longer where ranks share cores: who waits must sleep, and be woken.</param>
/// <param name="Points">What was measured, held-out points included.</param>
internal sealed record LinkFit(LinkKind Link, LinkCost Cost, double Turn, IReadOnlyList<FittedPoint> Points)
{
    /// <summary>Fits to all points that are not held out; the squares of relative errors count, as times span five orders of magnitude.</summary>
    /// <param name="points">Of one kind of link.</param>
    /// <param name="cores">Of the machine: more ranks than cores take turns.</param>
    /// <param name="isHeldOut">Which points the fit must not see.</param>
    public static LinkFit Of(IReadOnlyList<LinkPoint> points, int cores, Func<LinkPoint, bool> isHeldOut)
    {
        var rows = points.Where(point => !isHeldOut(point)).Select(point => Row(point, cores)).ToList();
        var terms = LeastSquares.NonNegative(rows, [.. rows.Select(static _ => 1.0)]);
        return new LinkFit(
            points[0].Link,
            LinkCost.Of(terms),
            terms[^1],
            [.. points.Select(point => new FittedPoint(point, LeastSquares.Dot(Terms(point, cores), terms), isHeldOut(point)))]);
    }

    /// <summary>The cost where so many ranks share the cores of a machine, apart from the turns that they take.</summary>
    public LinkCost CostOf(int ranks, int cores) => ranks > cores ? Cost with { Round = Cost.Round + Turn } : Cost;

    public IEnumerable<double> Factors(bool heldOut) => Points.Where(point => point.HeldOut == heldOut).Select(static point => point.Factor);

    /// <summary>The factors of a cost's terms, and of the turn.</summary>
    private static double[] Terms(LinkPoint point, int cores)
    {
        var (work, sharing) = (MeasuredWork.Of(point), LinkCost.Sharing(point.World, cores));
        return [.. work.Terms.Select(term => sharing * term), sharing > 1 ? sharing * work.Rounds : 0];
    }

    private static double[] Row(LinkPoint point, int cores) => Array.ConvertAll(Terms(point, cores), term => term / point.Seconds);
}
