using System.CommandLine;
using CnnCluster.Cli.Output;
using CnnCluster.Dsl;
using CnnCluster.Kernels.Native;
using CnnCluster.Trainer;
using CnnCluster.Trainer.Comparison;
using CnnCluster.Trainer.Hosting;
using CnnCluster.Trainer.Training;

namespace CnnCluster.Cli.Commands;

/// <summary><c>cnn compare FILE</c>: trains variants of a train part on equal terms.</summary>
internal sealed class CompareCommand
{
    private const int DefaultSeeds = 3;

    /// <summary>Far above what a spread needs; each is a training of every variant.</summary>
    private const int MostSeeds = 10_000;

    private readonly Argument<string?> script = new("FILE") { Description = CommonOptions.Script().Description, Arity = ArgumentArity.ZeroOrOne };
    private readonly Option<string[]> vary = new("--vary") { Description = "A variant: SETTING=VALUE as in --set, several with ';' between, train=NAME or train=FILE:NAME for another train part, and a name in front, as in \"L2: train=LeNetL2\"; \"none:\" changes nothing", HelpName = "VARIANT" };
    private readonly Option<int?> seeds = new("--seeds") { Description = $"How many seeds each variant is trained with, one after the other from the script's (default: {DefaultSeeds})", HelpName = "N" };
    private readonly Option<string?> data = CommonOptions.Data();
    private readonly Option<int?> epochs = CommonOptions.Epochs();
    private readonly Option<long> steps = CommonOptions.Steps();
    private readonly Option<string[]> changes = CommonOptions.Changes();
    private readonly Option<int?> workers = new("--workers") { Description = "Workers (threads) of each cell (default: 1)", HelpName = "N" };
    private readonly Option<string?> devices = CommonOptions.Devices();
    private readonly Option<int?> threads = CommonOptions.Threads();
    private readonly Option<int?> parallel = new("--parallel") { Description = "Cells to train at once (default: 1)", HelpName = "N" };
    private readonly Option<string?> output = new("--out") { Description = "The comparison's folder (default: runs/NAME-comparison-TIME)", HelpName = "DIR" };
    private readonly Option<string?> resume = new("--resume") { Description = "Go on with a comparison: finished cells are kept", HelpName = "DIR" };
    private readonly Option<bool> json = CommonOptions.Json();

    public static Command Create()
    {
        var compare = new CompareCommand();
        var command = new Command("compare", "Train variants on equal terms: a table and curves of what they come to")
        {
            compare.script, compare.vary, compare.seeds, compare.data, compare.epochs, compare.steps, compare.changes,
            compare.workers, compare.devices, compare.threads, compare.parallel, compare.output, compare.resume, compare.json,
        };
        command.SetAction((parse, _) => compare.RunAsync(parse));
        return command;
    }

    private async Task<int> RunAsync(ParseResult parse)
    {
        var atOnce = CommonOptions.Between(1, CommonOptions.MostWorkers, parse.GetValue(parallel) ?? 1, "--parallel");
        using var resumed = parse.GetValue(resume) is { } path ? Resume(parse, path) : null;
        var asked = resumed?.ReadDescription() ?? Describe(parse, atOnce);
        TorchLibrary.EnsureLoaded();
        Devices.Check(asked.Devices);
        WarnOf(asked, atOnce, isResumed: resumed is not null);
        var samples = new ComparisonData(asked, parse.GetValue(data) ?? asked.DataFolder);
        var description = samples.Check();
        return await Interruption.RunAsync(async stop =>
        {
            using var created = resumed is null ? ComparisonFolder.Create(parse.GetValue(output), description) : null;
            return await TrainAsync(resumed ?? created!, description, samples, atOnce, parse.GetValue(json), stop);
        });
    }

    private static async Task<int> TrainAsync(
        ComparisonFolder folder, ComparisonDescription description, ComparisonData samples, int atOnce, bool asJson, CancellationToken stop)
    {
        IComparisonOutput output = asJson
            ? new ComparisonJsonOutput(Console.Out, folder, description)
            : new ComparisonProgress(Terminal.Error(), Terminal.Output(), folder, description);
        using (output)
        {
            var run = new ComparisonRun(folder, description, samples, output.Read);
            output.Begin(run.Finished());
            var whole = await run.TrainAsync(atOnce, stop);
            var summary = ComparisonSummary.Of(description, run.Finished());
            ComparisonReport.Write(folder, summary);
            output.Conclude(summary);
            return Conclude(folder, summary, whole);
        }
    }

    private static int Conclude(ComparisonFolder folder, ComparisonSummary summary, bool whole)
    {
        if (!ComparisonPlot.HasFonts) Console.Error.WriteLine("cnn: warning: this machine has no fonts, so the curves are drawn without text");
        if (!whole) return Guard.Say($"interrupted; cnn compare --resume {folder.Location} goes on", ExitCode.Interrupted);
        var failed = summary.Cells.Count(static cell => cell.HasFailed);
        return failed == 0
            ? ExitCode.Success
            : Guard.Say($"{failed} of {summary.Cells.Count} cells failed; cnn compare --resume {folder.Location} tries them again", ExitCode.Failed);
    }

    private ComparisonDescription Describe(ParseResult parse, int atOnce)
    {
        var file = ScriptFile.Read(parse.GetValue(script) ?? throw new UserException("cnn compare takes a FILE, or --resume DIR."));
        var common = CommonOptions.ChangesOf(parse, changes, epochs);
        var count = CommonOptions.Between(1, MostSeeds, parse.GetValue(seeds) ?? DefaultSeeds, "--seeds");
        var each = CommonOptions.Between(1, CommonOptions.MostWorkers, parse.GetValue(workers) ?? 1, "--workers");
        var limit = CommonOptions.AtLeast(0, parse.GetValue(steps), "--steps");
        var reading = VariantReading.Of(parse.GetValue(vary) ?? [], common, (train, changed) => Read(file, train, changed));
        foreach (var message in reading.Messages)
        {
            Console.Error.WriteLine(message);
        }

        if (reading.HasErrors) throw new WrongScriptException();
        if (reading.FirstSeed + (ulong)(count - 1) > Limits.GreatestSeed)
        {
            throw new UserException($"--seeds {count} counts from the script's seed {reading.FirstSeed} beyond the greatest seed, {Limits.GreatestSeed}.");
        }

        var plans = reading.Variants.Select(variant => variant.WithSeed(reading.FirstSeed).Plan).ToList();
        var asked = parse.GetValue(threads) ?? plans.Select(ExactMode.ThreadsOf).Max() ?? RunLayout.ThreadsFor(each * atOnce);
        var threadsEach = CommonOptions.Between(1, CommonOptions.MostThreads, asked, "--threads");
        var places = CommonOptions.SplitDevices(parse.GetValue(devices));
        plans.ForEach(plan => ExactMode.Check(plan, each, threadsEach, places, hasOwnStep: false));
        return new ComparisonDescription
        {
            Variants = reading.Variants,
            Seeds = [.. Enumerable.Range(0, count).Select(i => reading.FirstSeed + (ulong)i)],
            Workers = each,
            Devices = places,
            Threads = threadsEach,
            StepLimit = limit,
            DataFolder = parse.GetValue(data) is { } folder ? Path.GetFullPath(folder) : null,
            Versions = RunDescriptions.Versions(),
            Started = DateTimeOffset.Now,
        };
    }

    /// <summary>A variant's train part: of the command's file, or of another one, which it says with a colon.</summary>
    private static ScriptResult<CnnCluster.Dsl.Training> Read(ScriptFile file, string? train, IReadOnlyList<Change> changed)
    {
        var (source, part) = train is null ? (file.Source, file.Part)
            : train.Contains(':', StringComparison.Ordinal) || File.Exists(train) ? (ScriptFile.Read(train).Source, ScriptFile.Read(train).Part)
            : (file.Source, train);
        return Script.Training(source, part, changed, TrainingCatalogues.All, ScriptFile.Importer);
    }

    private static void WarnOf(ComparisonDescription description, int atOnce, bool isResumed)
    {
        CommonOptions.WarnOf(description.Workers * atOnce, description.Threads, description.Devices, description.Workers);
        var now = RunDescriptions.Versions();
        var changed = description.Versions.Where(version => isResumed && now.GetValueOrDefault(version.Key) != version.Value).ToList();
        foreach (var (what, before) in changed)
        {
            Console.Error.WriteLine($"cnn: warning: the finished cells were trained with {what} {before}; this is {now.GetValueOrDefault(what)}");
        }
    }

    private ComparisonFolder Resume(ParseResult parse, string path)
    {
        Option[] fixedOnes = [vary, seeds, epochs, steps, changes, workers, devices, threads, output];
        var said = fixedOnes.Where(option => parse.GetResult(option) is { Implicit: false }).Select(static option => option.Name).ToList();
        if (parse.GetValue(script) is not null) said.Insert(0, "FILE");
        return said.Count == 0
            ? ComparisonFolder.Open(path)
            : throw new UserException($"--resume goes on with what {path} was started with: {string.Join(", ", said)} cannot be changed. --data, --parallel and --json can.");
    }
}
