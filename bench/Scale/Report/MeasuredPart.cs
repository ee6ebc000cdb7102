using CnnCluster.Bench.Report;
using CnnCluster.Bench.Scale.Model;
using static CnnCluster.Bench.Scale.Report.ScaleText;

namespace CnnCluster.Bench.Scale.Report;

/// <summary>What was measured, what was fitted to it, and how well.</summary>
internal static class MeasuredPart
{
    public static string Markdown(ScaleFigures figures, ScaleModel model)
    {
        IEnumerable<string> lines = [.. BenchText.Machine(figures.Machine), $"{figures.Taken:yyyy-MM-dd}"];
        return $"""

            {(figures.Quick ? $"**{BenchText.TooBrief}**\n\n" : "")}{string.Concat(lines.Select(static line => $"- {line}\n"))}
            Costs of the links, as fitted:
            {Costs(model)}
            By which factor the model is off (median, greatest), of the points that it was fitted to and of those that it had not seen:
            {Errors(model)}
            An all-reduce of {Schedule.HeldOutWorld} ranks, of which the fit has seen nothing: measured, predicted.
            {HeldOutWorld(model)}
            An all-reduce of {Schedule.RanksOfHosts} ranks that take themselves for two hosts, shared memory within them and TLS between them, of which
            nothing is fitted:
            {ByHosts(model)}
            One worker's step, and what the slowest of 16 steps takes beyond the mean:
            {Computing(figures, model)}
            Steps of two workers, as training takes them, beside what the model adds up (nothing overlapped):
            {Pairs(figures, model)}

            """;
    }

    private static string Costs(ScaleModel model) => Table(
        ["link", "α, a message in a row", "o, a message", "1/β, sent and received", "1/γ, summed", "1/ρ, rounded", "longer where cores are shared"],
        model.Fits.Select(static fit => (IReadOnlyList<string>)
        [
            LinkName(fit.Link), Cost(fit.Cost.Round), Cost(fit.Cost.Message), Rate(fit.Cost.Byte), Rate(fit.Cost.Sum), Rate(fit.Cost.Rounding), Cost(fit.Turn),
        ]));

    private static string Errors(ScaleModel model) => Table(
        ["link", "points fitted", "factor", "points held out", "factor"],
        model.Fits.Select(static fit => (IReadOnlyList<string>)
        [
            LinkName(fit.Link), .. Error(fit.Factors(heldOut: false)), .. Error(fit.Factors(heldOut: true)),
        ]));

    private static IEnumerable<string> Error(IEnumerable<double> factors)
    {
        var all = factors.ToList();
        return [Number(all.Count), Spread(all)];
    }

    private static string HeldOutWorld(ScaleModel model) => Table(
        ["bytes", .. model.Fits.Select(static fit => LinkName(fit.Link))],
        from point in model.Fits.SelectMany(static fit => fit.Points)
        where point.Point.World == Schedule.HeldOutWorld && point.Point.Operation == MeasuredOperation.AllReduce
        group point by point.Point.Bytes into size
        orderby size.Key
        select (IReadOnlyList<string>)[Bytes(size.Key), .. size.Select(static point => $"{Time(point.Point.Seconds)}, {Time(point.Predicted)}")]);

    private static string ByHosts(ScaleModel model) => Table(
        ["bytes", "measured", "predicted", "predicted/measured"],
        model.ByHosts().OrderBy(static point => point.Point.Bytes).Select(static point => (IReadOnlyList<string>)
        [
            Bytes(point.Point.Bytes), Time(point.Point.Seconds), Time(point.Predicted), Factor(point.Predicted / point.Point.Seconds),
        ]));

    private static string Computing(ScaleFigures figures, ScaleModel model) => Table(
        ["network", "1 sample", "16 samples", "images/s at the most", "points held out, factor", "θ", "slowest of 16, measured", "by θ"],
        figures.Computing.Select(static point => point.Network).Distinct().Select(network => ComputingRow(network, figures, model)));

    private static IReadOnlyList<string> ComputingRow(string network, ScaleFigures figures, ScaleModel model)
    {
        var points = figures.Computing.Where(point => point.Network == network).ToList();
        var step = model.StepOf(network);
        var most = points.Max(static point => point.Samples);
        var errors = model.HeldOut(network).Select(point => step.Computing.Of(point.Samples) / point.Seconds).Select(static ratio => Math.Max(ratio, 1 / ratio));
        var slowest = points.SelectMany(static point => point.Slowest.Where(static s => s.Steps == 16).Select(s => (s.Seconds / point.Seconds) - 1)).ToList();
        return
        [
            network, Time(step.Computing.Of(1)), Time(step.Computing.Of(16)), Number(most / step.Computing.Of(most)), Spread([.. errors]),
            Factor(step.Jitter.Scale), slowest.Count == 0 ? "–" : $"{Percent(Median.Of(slowest))} %", $"{Percent(step.Jitter.Excess(16))} %",
        ];
    }

    private static string Pairs(ScaleFigures figures, ScaleModel model) => Table(
        ["network, samples of both", "link", "measured", "predicted", "of it computing", "waiting", "communication", "predicted/measured"],
        figures.Pairs.Select(pair =>
        {
            var step = model.Pair(pair);
            return (IReadOnlyList<string>)
            [
                $"{pair.Network}, {pair.Samples}", LinkName(pair.Link), Time(pair.Seconds), Time(step.Total), Time(step.Computing), Time(step.Waiting),
                Time(step.Communication.Seconds), Factor(step.Total / pair.Seconds),
            ];
        }));
}
