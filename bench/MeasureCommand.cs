using System.CommandLine;
using System.Text.Json;
using CnnCluster.Bench.Rows;
using CnnCluster.Kernels.Native;

namespace CnnCluster.Bench;

/// <summary>The process of one side: measures it and prints <c>{"value": …}</c>.</summary>
internal static class MeasureCommand
{
    public static Command Create()
    {
        var row = new Argument<string>("ROW");
        var side = new Argument<string>("SIDE");
        var threads = new Argument<int>("THREADS");
        var seconds = new Argument<double>("SECONDS");
        var samples = new Argument<string>("SAMPLES");
        var command = new Command(SideProcess.Command, "Measure one side of a row") { row, side, threads, seconds, samples };
        command.Hidden = true;
        command.SetAction(parse => Run(
            parse.GetValue(row)!,
            parse.GetValue(side)!,
            new Conditions(parse.GetValue(threads), parse.GetValue(seconds), parse.GetValue(samples)!)));
        return command;
    }

    private static int Run(string name, string side, Conditions at)
    {
        // The peers are what their users would write, who have no need to know how a C library keeps memory.
        TorchLibrary.EnsureLoaded(tuned: side is Row.Cnn or Row.OneWorker or Row.Apart or Row.Inexact);
        TorchSharp.torch.set_num_threads(at.Threads);
        var value = AllRows.List.Single(row => row.Name == name).Measure(side, at);
        Console.WriteLine(JsonSerializer.Serialize(new { value }));
        return 0;
    }
}
