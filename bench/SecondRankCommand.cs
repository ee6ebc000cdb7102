using System.CommandLine;
using System.Globalization;
using CnnCluster.Bench.Sides;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Native;

namespace CnnCluster.Bench;

/// <summary>The process of the second of two workers.</summary>
internal static class SecondRankCommand
{
    public const string Name = "second-rank";

    /// <summary>Work: sums buffers of so many elements.</summary>
    public const string Reduce = "reduce";

    /// <summary>Work: trains a network, with batches of so many, on a folder of samples.</summary>
    public const string Train = "train";

    /// <summary>Work: trains a network as it were alone, with batches of so many, on a folder of samples, for so many seconds.</summary>
    public const string Apart = "apart";

    public static Command Create()
    {
        var means = new Argument<Means>("MEANS");
        var port = new Argument<int>("PORT");
        var token = new Argument<string>("TOKEN");
        var work = new Argument<string[]>("WORK");
        var command = new Command(Name, "Work with the first worker") { means, port, token, work };
        command.Hidden = true;
        command.SetAction(parse =>
        {
            TorchLibrary.EnsureLoaded(tuned: true);
            TorchSharp.torch.set_num_threads(1);
            TwoRanks.RunSecond(
                parse.GetValue(means), parse.GetValue(port), Convert.FromHexString(parse.GetValue(token)!), Work(parse.GetValue(work)!));
            return 0;
        });
        return command;
    }

    private static Action<ICollective> Work(string[] words) => words switch
    {
        [Reduce, var elements] => collective => ReductionLoop.Rounds(collective, Number(elements), 0),
        [Train, var network, var batch, var samples] => collective => PairLoop.Follow(collective, network, Number(batch), samples),
        [Apart, var network, var batch, var samples, var seconds] => collective =>
            PairLoop.RateApart(collective, network, Number(batch), samples, double.Parse(seconds, CultureInfo.InvariantCulture)),
        _ => throw new ArgumentException($"No such work: {string.Join(' ', words)}", nameof(words)),
    };

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
