using System.CommandLine;
using CnnCluster.Cli.Output;
using CnnCluster.Dsl;
using CnnCluster.Kernels.Native;
using CnnCluster.Trainer;
using CnnCluster.Trainer.Storage;
using CnnCluster.Trainer.Training;
using static TorchSharp.torch;

namespace CnnCluster.Cli.Commands;

/// <summary><c>cnn eval RUN</c>: a run's network, measured on the validation samples.</summary>
internal static class EvalCommand
{
    public static Command Create()
    {
        var run = new Argument<string>("RUN") { Description = "A run's folder" };
        var data = CommonOptions.Data();
        var weights = new Option<string?>("--weights") { Description = "A safetensors file (default: the run's final weights, else its best, else its last)", HelpName = "FILE" };
        var device = new Option<string>("--device") { Description = "Where to compute: cpu, cuda:0, …", DefaultValueFactory = _ => "cpu" };
        var json = CommonOptions.Json();
        var command = new Command("eval", "Measure a run's network on the validation samples, with a confusion matrix") { run, data, weights, device, json };
        command.SetAction(parse => Run(
            parse.GetValue(run)!, parse.GetValue(data), parse.GetValue(weights), parse.GetValue(device)!, parse.GetValue(json)));
        return command;
    }

    private static int Run(string path, string? dataFolder, string? weights, string device, bool json)
    {
        var folder = RunFolder.Open(path);
        var settings = folder.ReadSettings();
        var script = new Source(folder.Script, folder.ReadScript());
        var plan = ScriptFile.ValueOf(Script.Training(script, settings.Train, [], TrainingCatalogues.All)).Plan;
        TorchLibrary.EnsureLoaded();
        Devices.Check([device]);
        var file = weights ?? RunWeights.Of(folder);
        var data = TrainingCatalogues.Load(plan, dataFolder ?? settings.DataFolder);

        // How convolutions are computed depends on it, and the figures are to be the run's.
        set_num_threads(ExactMode.ThreadsOf(plan) ?? settings.Threads);
        var evaluation = Evaluation.Of(plan, file, data, new Device(device));
        if (json)
        {
            Console.WriteLine(EvaluationOutput.Json(evaluation, file));
        }
        else
        {
            EvaluationOutput.Show(Terminal.Output(), evaluation, file);
        }

        return ExitCode.Success;
    }
}
