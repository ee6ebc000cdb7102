using System.CommandLine;
using CnnCluster.Cli.Output;
using CnnCluster.Dsl;
using CnnCluster.Kernels.Native;
using CnnCluster.Trainer;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Hosting;
using CnnCluster.Trainer.Metrics;
using CnnCluster.Trainer.Storage;
using CnnCluster.Trainer.Tracing;
using CnnCluster.Trainer.Training;

namespace CnnCluster.Cli.Commands;

/// <summary><c>cnn train FILE</c>: trains a network.</summary>
internal sealed class TrainCommand
{
    private readonly Argument<string> script = CommonOptions.Script();
    private readonly Option<string?> data = CommonOptions.Data();
    private readonly Option<int> workers = new("--workers") { Description = "Workers (threads) in each process", DefaultValueFactory = _ => 1, HelpName = "N" };
    private readonly Option<int> processes = new("--processes") { Description = "Local worker processes to start; without it, this process does the work", HelpName = "N" };
    private readonly Option<string?> devices = CommonOptions.Devices();
    private readonly Option<int?> threads = CommonOptions.Threads();
    private readonly Option<int?> epochs = CommonOptions.Epochs();
    private readonly Option<long> steps = CommonOptions.Steps();
    private readonly Option<string[]> changes = CommonOptions.Changes();
    private readonly Option<string?> initial = new("--init") { Description = "Start from the weights of a safetensors file", HelpName = "FILE" };
    private readonly Option<string?> output = new("--out") { Description = "The run's folder (default: runs/NAME-TIME)", HelpName = "DIR" };
    private readonly Option<bool> json = CommonOptions.Json();
    private readonly Option<string?> traceFile = new("--trace") { Description = "Write where each step's time goes, for chrome://tracing and Perfetto", HelpName = "FILE" };
    private readonly Option<long> traceSteps = new("--trace-steps") { Description = "Trace the parts of so many steps, from the first", DefaultValueFactory = _ => 1000, HelpName = "N" };
    private readonly Option<string?> record = new("--record-steps") { Description = "Write each step's weights and reduced gradient to a folder", Hidden = true };

    public static Command Create()
    {
        var train = new TrainCommand();
        var command = new Command("train", "Train a network, on one worker or many")
        {
            train.script, train.data, train.workers, train.processes, train.devices, train.threads, train.epochs,
            train.steps, train.changes, train.initial, train.output, train.json, train.traceFile, train.traceSteps, train.record,
        };
        command.SetAction((parse, _) => train.RunAsync(parse));
        return command;
    }

    private async Task<int> RunAsync(ParseResult parse)
    {
        var request = Request(parse);
        var cache = new DataCache();
        var samples = request.LoadData(cache);
        request.CheckInitialState();
        TorchLibrary.EnsureLoaded();
        Devices.Check(request.Layout.Devices);
        WarnOfSlowFloats(request);
        using var trace = OpenTrace(parse);
        request = request with { Trace = trace };
        var folder = RunFolder.Create(parse.GetValue(output), request.Plan.Name, DateTimeOffset.Now);
        folder.WriteScript(request.Training.Canonical);
        folder.WriteSettings(RunDescriptions.Of(request, DateTimeOffset.Now));
        var reader = parse.GetValue(json)
            ? (IRunReader)new JsonLinesReader(Console.Out, folder.Location)
            : new ConsoleProgress(Terminal.Error(), request.StepsPerEpoch(samples), request.Plan.Epochs);
        using var keeper = new RunKeeper(folder, [reader], trace);
        var outcome = await Interruption.RunAsync(stop => TrainingRun.RunAsync(request, keeper, cache, Console.Error.WriteLine, stop));
        var code = Conclude(outcome, folder, parse.GetValue(json));

        // What the tracks still hold is written now.
        trace?.Dispose();
        return trace?.Failure is { } why ? Guard.Say(why, code == ExitCode.Success ? ExitCode.Failed : code) : code;
    }

    private static void WarnOfSlowFloats(RunRequest request)
    {
        if (request.Plan.Precision == Precision.Float16 && request.Layout.Devices.Any(static device => device == "cpu"))
        {
            Console.Error.WriteLine("cnn: warning: libtorch computes float16 on a CPU some 40 times as slowly as float32; bfloat16 is fast where the processor has it");
        }
    }

    private RunRequest Request(ParseResult parse)
    {
        var file = ScriptFile.Read(parse.GetValue(script)!);
        List<string> settings = [.. parse.GetValue(changes) ?? []];
        if (parse.GetValue(epochs) is { } most)
        {
            settings.Add($"epochs={most}");
        }

        var training = ScriptFile.ValueOf(Script.Training(file.Source, file.Part, settings, TrainingCatalogues.All, ScriptFile.Importer));
        return new RunRequest
        {
            Training = training,
            Layout = Layout(parse),
            DataFolder = parse.GetValue(data),
            StepLimit = CommonOptions.AtLeast(0, parse.GetValue(steps), "--steps"),
            RecordFolder = parse.GetValue(record),
            InitialState = parse.GetValue(initial) is { } path ? Path.GetFullPath(path) : null,
        };
    }

    private RunLayout Layout(ParseResult parse)
    {
        var perProcess = CommonOptions.Between(1, CommonOptions.MostWorkers, parse.GetValue(workers), "--workers");
        var started = CommonOptions.Between(0, CommonOptions.MostWorkers, parse.GetValue(processes), "--processes");
        var world = perProcess * Math.Max(started, 1);
        var each = CommonOptions.Between(1, CommonOptions.MostThreads, parse.GetValue(threads) ?? RunLayout.ThreadsFor(world), "--threads");
        var places = CommonOptions.SplitDevices(parse.GetValue(devices));
        CommonOptions.WarnOf(world, each, places, world);
        return new RunLayout(perProcess, started, places, each);
    }

    private TraceFile? OpenTrace(ParseResult parse)
    {
        var most = CommonOptions.AtLeast(1, parse.GetValue(traceSteps), "--trace-steps");
        if (parse.GetValue(traceFile) is { } path) return new TraceFile(path, "cnn train", most);
        return parse.GetResult(traceSteps) is not { Implicit: false }
            ? null
            : throw new UserException("--trace-steps needs --trace FILE.");
    }

    private static int Conclude(RunOutcome outcome, RunFolder folder, bool json)
    {
        if (outcome.Reason == StopReason.Failed)
        {
            Console.Error.WriteLine($"cnn: the run failed: {outcome.Message}");
        }

        if (outcome.Reason is StopReason.Failed or StopReason.Interrupted && outcome.Checkpoint is { } checkpoint)
        {
            Console.Error.WriteLine($"cnn: the last state is {Path.Combine(folder.Checkpoints, $"{checkpoint}.safetensors")}; --init starts from its weights");
        }

        if (!json)
        {
            OutcomeOutput.Show(outcome, folder);
        }

        return outcome.Reason switch
        {
            StopReason.Failed => ExitCode.Failed,
            StopReason.Interrupted => ExitCode.Interrupted,
            _ => ExitCode.Success,
        };
    }
}
