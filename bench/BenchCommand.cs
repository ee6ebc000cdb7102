using System.CommandLine;
using CnnCluster.Bench.Kernels;
using CnnCluster.Bench.Report;
using CnnCluster.Bench.Rows;
using CnnCluster.Bench.Scale;
using CnnCluster.Bench.Scale.Measuring;
using CnnCluster.Bench.Scale.Report;
using CnnCluster.Bench.Sides;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Native;
using CnnCluster.Trainer;
using CnnCluster.Trainer.Data;
using CnnCluster.Trainer.Data.Digits;
using Spectre.Console;

namespace CnnCluster.Bench;

/// <summary><c>./cnn bench</c>: the figures of <c>docs/performance.md</c>, with the peers that are installed.</summary>
internal sealed class BenchCommand
{
    private const int DefaultPairs = 5;
    private const double DefaultSeconds = 2;
    private const int QuickPairs = 1;
    private const double QuickSeconds = 1;
    private readonly Argument<string[]> names = new("NAME") { Description = $"Which rows: {string.Join(", ", AllRows.List.Select(static row => row.Name))} (default: all)", Arity = ArgumentArity.ZeroOrMore };
    private readonly Option<int?> pairs = new("--pairs") { Description = $"How often each side is measured, in turn (default: {DefaultPairs}; half as often where it takes long)", HelpName = "N" };
    private readonly Option<int> threads = new("--threads") { Description = "Threads of each side", DefaultValueFactory = _ => 1, HelpName = "N" };
    private readonly Option<bool> oneCore = new("--one-core") { Description = "Each side has one core for all its threads, as `taskset` pins them (Linux)" };
    private readonly Option<bool> quick = new("--quick") { Description = "One short pair of each row: to see that all runs, not how fast" };
    private readonly Option<string?> data = new("--data") { Description = "The folder of MNIST, to train LeNet-5 on it instead of drawn digits", HelpName = "DIR" };
    private readonly Option<string?> python = new("--python") { Description = "The interpreter that has PyTorch (default: PYTHON, then python3)", HelpName = "PROGRAM" };
    private readonly Option<bool> json = new("--json") { Description = "Print the figures as JSON on standard output" };
    private readonly Option<string?> output = new("--out") { Description = "Write the figures as JSON to a file", HelpName = "FILE" };
    private readonly Option<string?> kernels = new("--kernels") { Description = "Time single kernels instead, those whose name matches the filter (default: all)", Arity = ArgumentArity.ZeroOrOne, HelpName = "FILTER" };
    private readonly Option<bool> scale = new("--scale") { Description = $"Measure what the cost model of {ScalingPage.Page} is fitted to instead, and print what it predicts" };
    private readonly Option<bool> page = new("--page") { Description = $"Write {PerformancePage.Page} and {ScalingPage.Page} anew from {string.Join(", ", PerformancePage.Parts.Select(static part => part.Figures))} and {ScalingPage.Figures}, and measure nothing" };

    public static RootCommand Create()
    {
        var bench = new BenchCommand();
        var command = new RootCommand("Measure cnn beside a hand-written TorchSharp loop and, where an interpreter has it, PyTorch.")
        {
            bench.names, bench.pairs, bench.threads, bench.oneCore, bench.quick, bench.data, bench.python, bench.json, bench.output, bench.kernels, bench.scale, bench.page,
            MeasureCommand.Create(),
            SecondRankCommand.Create(),
            ScalePartCommand.Create(),
        };
        command.SetAction(bench.Run);
        return command;
    }

    private int Run(ParseResult parse)
    {
        if (parse.GetValue(page)) return WritePages();
        TorchLibrary.EnsureLoaded();
        if (parse.GetResult(kernels) is not null) return TimeKernels(parse);
        if (parse.GetValue(scale)) return MeasureScale(parse);
        var interpreter = Python.Find(parse.GetValue(python));
        if (interpreter is null)
        {
            Console.Error.WriteLine("cnn bench: no interpreter with PyTorch: its sides are left out. --python or PYTHON names one.");
        }

        var rows = Chosen(parse.GetValue(names) ?? []);
        var machine = Machine.Describe(interpreter?.Version);
        var each = AtLeastOne(parse.GetValue(threads), "--threads");
        var often = AtLeastOne(parse.GetValue(pairs) ?? (parse.GetValue(quick) ? QuickPairs : DefaultPairs), "--pairs");
        var figures = new BenchFigures(DateTimeOffset.UtcNow, machine, each, Measure(parse, rows, interpreter, often))
        {
            OneCore = parse.GetValue(oneCore),
            Quick = parse.GetValue(quick),
            Pairs = often,
            Data = parse.GetValue(data) is null ? BenchText.Digits : BenchText.Mnist,
        };
        if (parse.GetValue(output) is { } file) File.WriteAllText(file, figures.ToJson() + "\n");
        if (parse.GetValue(json)) Console.WriteLine(figures.ToJson());
        else BenchTable.Show(Terminal(), figures);
        return 0;
    }

    private List<RowFigures> Measure(ParseResult parse, IReadOnlyList<Row> rows, Python? interpreter, int often)
    {
        var samples = Directory.CreateTempSubdirectory("cnn-bench-").FullName;
        try
        {
            var isQuick = parse.GetValue(quick);
            var at = new Conditions(parse.GetValue(threads), isQuick ? QuickSeconds : DefaultSeconds, samples, parse.GetValue(oneCore));
            SampleFiles.Write(at.Grey, Grey(parse.GetValue(data)));
            SampleFiles.Write(at.Colour, SampleFiles.Noise(2_048, 256, new SampleShape(3, 32, 32), seed: 1));
            return [.. rows.Select(new Measuring(often, at, interpreter, judges: !isQuick, Console.Error.WriteLine).Measure)];
        }
        finally
        {
            Directory.Delete(samples, recursive: true);
        }
    }

    /// <summary>MNIST, or drawn digits of its size.</summary>
    private static DataSet Grey(string? folder)
    {
        if (folder is null) return DigitSet.Generate(60_000, 10_000, seed: 1);
        var mnist = DataSets.All.Single(static set => set.Name == "mnist");
        var settings = mnist.Settings.ToDictionary(static setting => setting.Name, static setting => setting.Default ?? 0);
        return mnist.Load(new DataRequest(folder, new SettingValues(settings)));
    }

    private static List<Row> Chosen(string[] names)
    {
        var unknown = names.Except(AllRows.List.Select(static row => row.Name)).ToList();
        return unknown.Count == 0
            ? [.. AllRows.List.Where(row => names.Length == 0 || names.Contains(row.Name))]
            : throw new UserException($"There is no row '{unknown[0]}': {string.Join(", ", AllRows.List.Select(static row => row.Name))}.");
    }

    private static int AtLeastOne(int value, string option) =>
        value >= 1 ? value : throw new UserException($"{option} must be at least 1; it is {value}.");

    private int TimeKernels(ParseResult parse)
    {
        TorchSharp.torch.set_num_threads(AtLeastOne(parse.GetValue(threads), "--threads"));
        var filter = parse.GetValue(kernels) ?? "";
        return KernelBench.Run(filter)
            ? 0
            : throw new UserException($"No kernel was timed: no benchmark's name has '{filter}', or one of them failed.");
    }

    private int MeasureScale(ParseResult parse)
    {
        var figures = new ScaleMeasuring(parse.GetValue(quick), Console.Error.WriteLine).Measure();
        if (parse.GetValue(output) is { } file) File.WriteAllText(file, figures.ToJson() + "\n");
        if (parse.GetValue(json)) Console.WriteLine(figures.ToJson());
        else Console.Write(string.Concat(ScalingPage.Parts(figures).Select(static part => part.Markdown)));
        return 0;
    }

    private static int WritePages()
    {
        Rewrite(PerformancePage.Page, static text => PerformancePage.Parts.Aggregate(
            text, static (page, part) => PerformancePage.With(page, part, BenchFigures.FromJson(Read(part.Figures)))));
        Rewrite(ScalingPage.Page, static text => ScalingPage.With(text, ScaleFigures.FromJson(Read(ScalingPage.Figures))));
        return 0;
    }

    private static void Rewrite(string page, Func<string, string> change)
    {
        var changed = change(Read(page));
        File.WriteAllText(Path.Combine(Repository.Root, page), changed);
    }

    private static string Read(string file) => File.ReadAllText(Path.Combine(Repository.Root, file));

    private static IAnsiConsole Terminal()
    {
        if (Console.IsOutputRedirected) AnsiConsole.Profile.Width = 220;
        return AnsiConsole.Console;
    }
}
