using System.CommandLine;
using System.Globalization;
using CnnCluster.Bench.Sides;
using CnnCluster.Kernels.Native;

namespace CnnCluster.Bench.Scale.Measuring;

/// <summary>The process of one part of what <c>--scale</c> measures.</summary>
internal static class ScalePartCommand
{
    public const string Name = "scale-part";

    /// <summary>Part: one rank of a world, or all that are threads.</summary>
    public const string Rank = "rank";

    /// <summary>Part: one worker's steps.</summary>
    public const string Computing = "computing";

    /// <summary>Part: steps of two workers.</summary>
    public const string Pair = "pair";

    public static Command Create()
    {
        var words = new Argument<string[]>("PART");
        var command = new Command(Name, "Measure one part of what the cost model is fitted to") { words };
        command.Hidden = true;
        command.SetAction(parse =>
        {
            TorchLibrary.EnsureLoaded(tuned: true);
            TorchSharp.torch.set_num_threads(1);
            Run(parse.GetValue(words)!);
            return 0;
        });
        return command;
    }

    private static void Run(string[] words)
    {
        switch (words)
        {
            case [Rank, var link, var rank, var world, var quick, var certificates]:
                LinkRank.Run(Enum.Parse<LinkKind>(link), Number(rank), Number(world), bool.Parse(quick), certificates);
                break;
            case [Computing, var network, var most, var quick]:
                Console.WriteLine(ScaleFigures.ToLine(ComputingMeasuring.Run(network, Number(most), bool.Parse(quick))));
                break;
            case [Pair, var network, var samples, var link, var folder, var seconds]:
                var rate = PairLoop.RateOfSteps(
                    MeansOf(Enum.Parse<LinkKind>(link)), network, Number(samples), folder, double.Parse(seconds, CultureInfo.InvariantCulture));
                Console.WriteLine(ScaleFigures.ToLine(Number(samples) / rate));
                break;
            default:
                throw new ArgumentException($"No such part: {string.Join(' ', words)}", nameof(words));
        }
    }

    private static Means MeansOf(LinkKind link) => link switch
    {
        LinkKind.Threads => Means.Threads,
        LinkKind.SharedMemory => Means.SharedMemory,
        LinkKind.Tcp => Means.Tcp,
        _ => throw new ArgumentOutOfRangeException(nameof(link), link, "Pairs are not joined so."),
    };

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
