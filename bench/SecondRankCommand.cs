using System.CommandLine;
using CnnCluster.Bench.Sides;
using CnnCluster.Kernels.Native;

namespace CnnCluster.Bench;

/// <summary>The process of a reduction's second worker.</summary>
internal static class SecondRankCommand
{
    public const string Name = "second-rank";

    public static Command Create()
    {
        var means = new Argument<ReductionMeans>("MEANS");
        var elements = new Argument<int>("ELEMENTS");
        var port = new Argument<int>("PORT");
        var token = new Argument<string>("TOKEN");
        var command = new Command(Name, "Sum with the first worker") { means, elements, port, token };
        command.Hidden = true;
        command.SetAction(parse =>
        {
            TorchLibrary.EnsureLoaded();
            TorchSharp.torch.set_num_threads(1);
            ReductionLoop.RunSecond(
                parse.GetValue(means), parse.GetValue(elements), parse.GetValue(port), Convert.FromHexString(parse.GetValue(token)!));
            return 0;
        });
        return command;
    }
}
