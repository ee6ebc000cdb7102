using System.CommandLine;
using System.Net;
using CnnCluster.Cli.Output;
using CnnCluster.Dsl;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Native;
using CnnCluster.Trainer;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Data;
using CnnCluster.Trainer.Hosting;
using CnnCluster.Trainer.Metrics;
using CnnCluster.Trainer.Protocol;
using CnnCluster.Trainer.Security;
using CnnCluster.Trainer.Storage;
using CnnCluster.Trainer.Tracing;
using CnnCluster.Trainer.Training;

namespace CnnCluster.Cli.Commands;

/// <summary><c>cnn train FILE</c>: trains a network.</summary>
internal sealed class TrainCommand
{
    private readonly Argument<string?> script = new("FILE") { Description = CommonOptions.Script().Description, Arity = ArgumentArity.ZeroOrOne };
    private readonly Option<string?> data = CommonOptions.Data();
    private readonly Option<int?> workers = new("--workers") { Description = "Workers (threads) in each process (default: 1)", HelpName = "N" };
    private readonly Option<int?> processes = new("--processes") { Description = "Local worker processes to start; without it, this process does the work", HelpName = "N" };
    private readonly Option<string?> devices = CommonOptions.Devices();
    private readonly Option<int?> threads = CommonOptions.Threads();
    private readonly Option<int?> epochs = CommonOptions.Epochs();
    private readonly Option<long> steps = CommonOptions.Steps();
    private readonly Option<string[]> changes = CommonOptions.Changes();
    private readonly Option<string?> initial = new("--init") { Description = "Start from the weights of a safetensors file", HelpName = "FILE" };
    private readonly Option<string?> output = new("--out") { Description = "The run's folder (default: runs/NAME-TIME)", HelpName = "DIR" };
    private readonly Option<string?> resume = new("--resume") { Description = "Go on with a run, from its last checkpoint", HelpName = "RUN" };
    private readonly Option<string?> listen = new("--listen") { Description = "Let nodes join the run at this address; port 0 takes one that is free. Beyond this machine it needs --cert", HelpName = "HOST:PORT" };
    private readonly Option<string?> certificates = CommonOptions.Certificates();
    private readonly Option<string?> host = CommonOptions.Host();
    private readonly Option<int> minWorkers = new("--min-workers") { Description = "Wait for others while there are fewer workers than these", DefaultValueFactory = _ => 1, HelpName = "N" };
    private readonly Option<string?> wire = new("--wire") { Description = "What gradients become between hosts: float32 (default), bfloat16 or float16, each step's rounding made good in the next", HelpName = "TYPE" };
    private readonly Option<bool> json = CommonOptions.Json();
    private readonly Option<string?> traceFile = new("--trace") { Description = "Write where each step's time goes, for chrome://tracing and Perfetto", HelpName = "FILE" };
    private readonly Option<long> traceSteps = new("--trace-steps") { Description = "Trace the parts of so many steps, from the first", DefaultValueFactory = _ => 1000, HelpName = "N" };
    private readonly Option<string?> record = new("--record-steps") { Description = "Write each step's weights and reduced gradient to a folder", Hidden = true };

    private readonly Observing observing = new();

    private NodeNetwork? network;

    public static Command Create()
    {
        var train = new TrainCommand();
        var command = new Command("train", "Train a network, on one worker or many")
        {
            train.script, train.data, train.workers, train.processes, train.devices, train.threads, train.epochs,
            train.steps, train.changes, train.initial, train.resume, train.listen, train.certificates, train.host, train.minWorkers, train.wire, train.output, train.json, train.traceFile, train.traceSteps, train.record,
        };
        foreach (var option in train.observing.Options) command.Add(option);
        command.SetAction((parse, _) => train.RunAsync(parse));
        return command;
    }

    private async Task<int> RunAsync(ParseResult parse)
    {
        using var observed = observing.Begin(parse);
        using var found = network = Network(parse);
        var resumed = parse.GetValue(resume) is { } path ? Earlier(parse, path) : null;
        var earlier = resumed?.ReadSettings();
        var request = resumed is null ? NewRequest(parse) : RequestOf(parse, resumed, earlier!);
        var cache = new DataCache();
        var samples = request.LoadData(cache);
        request.CheckInitialState();
        request.CheckExact();
        request.CheckWire();
        var description = RunDescriptions.Of(request, samples, earlier?.Started ?? DateTimeOffset.Now);
        if (earlier is not null) Compare(earlier, description);
        TorchLibrary.EnsureLoaded();
        Devices.Check(request.Layout.Devices);
        WarnOfSlowFloats(request);
        return await Interruption.RunAsync(stop => TrainAsync(parse, request, samples, description, resumed, observed, cache, stop));
    }

    /// <summary>From here on there is what an interrupted run leaves behind: a folder, worker processes, files of a trace.</summary>
    private async Task<int> TrainAsync(
        ParseResult parse, RunRequest asked, DataSet samples, RunDescription description, RunFolder? resumed, Observed observed, DataCache cache, CancellationToken stop)
    {
        using var trace = OpenTrace(parse);
        var request = asked with { Trace = trace, Observation = observed.Observation };
        var folder = resumed ?? RunFolder.Create(parse.GetValue(output), request.Plan.Name, DateTimeOffset.Now);
        folder.WriteScript(request.Training.Canonical);
        folder.WriteSettings(description);
        var outcome = await RunAsync(parse, request, samples, folder, observed, cache, stop);
        if (outcome is { Reason: StopReason.Interrupted, Step: 0, Checkpoint: null }) return EndUnbegun(folder, resumed is not null);
        var code = OutcomeOutput.Conclude(outcome, folder, parse.GetValue(json));

        // What the tracks still hold is written now.
        trace?.Dispose();
        return trace?.Failure is { } why ? Guard.Say(why, code == ExitCode.Success ? ExitCode.Failed : code) : code;
    }

    /// <summary>The run was interrupted before its workers had come together.</summary>
    private static int EndUnbegun(RunFolder folder, bool isResumed)
    {
        if (isResumed) return Guard.Say($"interrupted before the run went on; cnn train --resume {folder.Location} goes on from where it was", ExitCode.Interrupted);
        folder.Discard();
        return Guard.Say("interrupted before the first step: there is no run to go on with", ExitCode.Interrupted);
    }

    private async Task<RunOutcome> RunAsync(
        ParseResult parse, RunRequest request, DataSet samples, RunFolder folder, Observed observed, DataCache cache, CancellationToken stop)
    {
        var reader = parse.GetValue(json)
            ? (IRunReader)new JsonLinesReader(Console.Out, folder.Location)
            : new ConsoleProgress(Terminal.Error(observed.IsStructured), request.StepsPerEpoch(samples), request.Plan.Epochs);
        observed.Announce(reader);
        using var keeper = new RunKeeper(folder, [reader], request.Trace);
        return await TrainingRun.RunAsync(request, keeper, cache, Console.Error.WriteLine, stop);
    }

    private RunFolder Earlier(ParseResult parse, string path)
    {
        Option[] fixedOnes = [changes, initial, output, wire, record];
        var said = fixedOnes.Where(option => parse.GetResult(option) is { Implicit: false }).Select(static option => option.Name).ToList();
        if (parse.GetValue(script) is not null) said.Insert(0, "FILE");
        if (said.Count == 0) return RunFolder.Open(path);
        var free = parse.CommandResult.Command.Options.Where(static option => !option.Hidden).Except([.. fixedOnes, resume]).Select(static option => option.Name).ToList();
        throw new UserException(
            $"--resume goes on with what {path} was started with: {string.Join(", ", said)} cannot be changed. "
            + $"{string.Join(", ", free[..^1])} and {free[^1]} can.");
    }

    /// <exception cref="UserException">The data are others.</exception>
    private static void Compare(RunDescription before, RunDescription now)
    {
        if (before.DataFingerprint is { } fingerprint && fingerprint != now.DataFingerprint)
        {
            throw new UserException($"The data are not those that the run was trained with: {now.Data}{(now.DataFolder is { } at ? $" in {at}" : "")} has other samples.");
        }

        foreach (var (what, version) in before.Versions.Where(version => now.Versions.GetValueOrDefault(version.Key) != version.Value))
        {
            Console.Error.WriteLine($"cnn: warning: the run was begun with {what} {version}; this is {now.Versions.GetValueOrDefault(what)}");
        }
    }

    private static void WarnOfSlowFloats(RunRequest request)
    {
        if (SlowFloats.Warning(request.Plan.Precision, request.Layout.Devices, BFloat16Hardware.IsThere) is { } warning)
        {
            Console.Error.WriteLine($"cnn: warning: {warning}");
        }
    }

    private RunRequest NewRequest(ParseResult parse)
    {
        var file = ScriptFile.Read(parse.GetValue(script) ?? throw new UserException("cnn train takes a FILE, or --resume RUN."));
        var settings = CommonOptions.ChangesOf(parse, changes, epochs);
        var training = ScriptFile.ValueOf(Script.Training(file.Source, file.Part, settings, TrainingCatalogues.All, ScriptFile.Importer));
        return Request(parse, training, earlier: null) with
        {
            RecordFolder = parse.GetValue(record),
            InitialState = parse.GetValue(initial) is { } path ? Path.GetFullPath(path) : null,
        };
    }

    private RunRequest RequestOf(ParseResult parse, RunFolder folder, RunDescription earlier)
    {
        var source = new Source(folder.Script, folder.ReadScript());
        var training = ScriptFile.ValueOf(Script.Training(source, earlier.Train, CommonOptions.EpochsChange(parse, epochs), TrainingCatalogues.All));
        return Request(parse, training, earlier) with { Resume = Resumption.Of(folder, training.Plan) };
    }

    private RunRequest Request(ParseResult parse, CnnCluster.Dsl.Training training, RunDescription? earlier)
    {
        var layout = Layout(parse, training.Plan, earlier);
        return new RunRequest
        {
            Training = training,
            Layout = layout,
            Network = network,
            Port = parse.GetValue(listen) is { } address ? ParseListen(address).Port : null,
            JoinToken = parse.GetValue(listen) is null ? null : JoinTicket.TokenOfEnvironment(),
            MinWorkers = MinWorkers(parse, layout),
            DataFolder = parse.GetValue(data) ?? earlier?.DataFolder,
            StepLimit = CommonOptions.AtLeast(0, parse.GetValue(steps), "--steps"),
            Wire = WireNames.Parse(parse.GetValue(wire) ?? earlier?.Wire ?? WireNames.Name(Wire.Unchanged)),
        };
    }

    private static DnsEndPoint ParseListen(string text) => JoinTicket.TryParseAddress(text)
        ?? throw new UserException($"--listen takes HOST:PORT, such as 127.0.0.1:4053; '{text}' is not one.");

    /// <summary>Where the run's home is found: at the address that it listens at, or by the name that is said beside it.</summary>
    private NodeNetwork Network(ParseResult parse)
    {
        var folder = parse.GetValue(certificates);
        if (parse.GetValue(listen) is not { } text)
        {
            return folder is null && parse.GetValue(host) is null
                ? NodeNetwork.Loopback()
                : throw new UserException("--cert and --host need --listen: without it no others take part in the run.");
        }

        var address = ParseListen(text);
        var bind = IPAddress.TryParse(address.Host, out var known) ? known : null;
        var name = parse.GetValue(host) ?? address.Host;
        return known is not null && (known.Equals(IPAddress.Any) || known.Equals(IPAddress.IPv6Any)) && parse.GetValue(host) is null
            ? throw new UserException($"--listen {text} needs --host NAME: the name or address that nodes reach this machine by.")
            : NodeNetwork.Open(bind, name, folder);
    }

    private int MinWorkers(ParseResult parse, RunLayout layout)
    {
        var least = (int)CommonOptions.AtLeast(1, parse.GetValue(minWorkers), "--min-workers");
        return least <= layout.World || parse.GetValue(listen) is not null
            ? least
            : throw new UserException($"--min-workers {least} needs --listen: the run starts {layout.World} itself, and others could not join.");
    }

    /// <summary>As it is said; else as an earlier run had it.</summary>
    private RunLayout Layout(ParseResult parse, TrainPlan plan, RunDescription? earlier)
    {
        var perProcess = CommonOptions.Between(1, CommonOptions.MostWorkers, parse.GetValue(workers) ?? earlier?.Workers ?? 1, "--workers");
        var started = CommonOptions.Between(0, CommonOptions.MostWorkers, parse.GetValue(processes) ?? earlier?.Processes ?? 0, "--processes");
        var world = perProcess * Math.Max(started, 1);
        var asked = parse.GetValue(threads) ?? earlier?.Threads ?? ExactMode.ThreadsOf(plan) ?? RunLayout.ThreadsFor(world);
        var each = CommonOptions.Between(1, CommonOptions.MostThreads, asked, "--threads");
        var places = parse.GetValue(devices) is not null || earlier is null ? CommonOptions.SplitDevices(parse.GetValue(devices)) : earlier.Devices;
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
}
