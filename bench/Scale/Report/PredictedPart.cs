using System.Text;
using CnnCluster.Bench.Scale.Model;
using static CnnCluster.Bench.Scale.Report.ScaleText;

namespace CnnCluster.Bench.Scale.Report;

/// <summary>Predicted efficiency: what of N workers' time goes into what one worker would do.</summary>
internal static class PredictedPart
{
    private static readonly IReadOnlyList<int> Workers = [8, 16, 32, 64, 128, 256, 512, 1024];
    private static readonly IReadOnlyList<int> FewWorkers = [8, 64, 1024];

    public static string Markdown(ScaleModel model)
    {
        var text = new StringBuilder("\n### The same share for each worker\n");
        foreach (var network in model.Networks)
        {
            text.Append($"\n{network.Title}, {network.Samples} samples a worker, {Number(network.Step.Shape.Parameters)} parameters:\n");
            text.Append(Efficiencies(model, (link, workers) => Weak(network, link, workers, rounded: false)));
        }

        text.Append($"\n### {Number(ScaleModel.SharedBatch)} samples for all together\n");
        foreach (var network in model.Networks)
        {
            text.Append($"\n{network.Title}:\n").Append(Efficiencies(model, (link, workers) => Strong(network, link, workers)));
        }

        text.Append("\n### Where a step's time goes\n").Append(Parts(model, 64)).Append(Parts(model, 1024));
        return text.Append("\n### 16 bits on the wire, and no TLS\n").Append(Rounded(model)).Append('\n').ToString();
    }

    /// <summary>For each network between hosts: as runs do it, by the fastest algorithm, and that with all hidden that can be.</summary>
    private static string Efficiencies(ScaleModel model, Func<Link, int, IEnumerable<double>> of) => Table(
        ["workers", .. model.Between.SelectMany(static link => new[] { $"{link.Name}: runs", "fastest", "overlapped" })],
        Workers.Select(workers => (IReadOnlyList<string>)[Number(workers), .. model.Between.SelectMany(link => of(link, workers)).Select(Percent)]));

    private static IEnumerable<double> Weak(PredictedNetwork network, Link link, int workers, bool rounded) =>
        Shares(network.Step.Computing.Of(network.Samples), network.Step, network.Samples, link, workers, rounded);

    private static IEnumerable<double> Strong(PredictedNetwork network, Link link, int workers) => Shares(
        network.Step.Computing.Of(ScaleModel.SharedBatch) / workers, network.Step, (double)ScaleModel.SharedBatch / workers, link, workers, rounded: false);

    private static IEnumerable<double> Shares(double ideal, StepModel step, double samples, Link link, int workers, bool rounded)
    {
        var today = step.Step(samples, workers, (bytes, r) => Reductions.OfRuns(link, workers, bytes, r), rounded);
        var fastest = Fastest(step, samples, link, workers, rounded);
        return [ideal / today.Total, ideal / fastest.Total, ideal / fastest.Overlapped];
    }

    private static StepTime Fastest(StepModel step, double samples, Link link, int workers, bool rounded) =>
        step.Step(samples, workers, (bytes, r) => Reductions.Best(link, workers, bytes, r).Time, rounded);

    private static string Parts(ScaleModel model, int workers)
    {
        var link = model.Between[1];
        return $"\n{Number(workers)} workers, {link.Name}, the fastest algorithm, the same share for each worker:\n" + Table(
            ["network", "computing", "waiting for the slowest", "communication", "of it the worker's own core", "can be hidden", "step", "overlapped"],
            model.Networks.Select(network =>
            {
                var step = Fastest(network.Step, network.Samples, link, workers, rounded: false);
                return (IReadOnlyList<string>)
                [
                    network.Title, Time(step.Computing), Time(step.Waiting), Time(step.Communication.Seconds), Time(step.Communication.Processor),
                    Time(step.Hidden), Time(step.Total), Time(step.Overlapped),
                ];
            }));
    }

    /// <summary>Efficiency by the fastest algorithm with nothing hidden: in float32, in 16 bits, and in float32 without TLS.</summary>
    private static string Rounded(ScaleModel model) =>
        "\nEfficiency by the fastest algorithm with nothing overlapped, the same share for each worker: float32; 16 bits; float32 without TLS.\n" + Table(
            ["network, workers", .. model.Between.Select(static link => link.Name)],
            from network in model.Networks
            from workers in FewWorkers
            select (IReadOnlyList<string>)
            [
                $"{network.Title}, {Number(workers)}",
                .. model.Between.Zip(model.Plain, (link, plain) => string.Join("; ", new[]
                {
                    Weak(network, link, workers, rounded: false), Weak(network, link, workers, rounded: true), Weak(network, plain, workers, rounded: false),
                }.Select(static shares => Percent(shares.ElementAt(1))))),
            ]);
}
