using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Perfolizer.Horology;

namespace CnnCluster.Bench.Kernels;

/// <summary>Single kernels, timed by BenchmarkDotNet: <c>./cnn bench --kernels [FILTER]</c>.</summary>
internal static class KernelBench
{
    private static readonly Type[] Benches =
    [
        typeof(UpdateBench), typeof(ArenaBench), typeof(LayerBench), typeof(ReductionBench), typeof(LoadingBench), typeof(TraceBench), typeof(ScalarBench),
    ];

    /// <param name="filter">Part of a benchmark's name, such as <c>LayerBench</c> or <c>Clip</c>; empty for all.</param>
    /// <returns>Whether any was run, and all of them were well.</returns>
    public static bool Run(string filter)
    {
        var pattern = filter.Length == 0 ? "*" : $"*{filter}*";
        var summaries = BenchmarkSwitcher.FromTypes(Benches).Run(["--filter", pattern], Config());
        return summaries.Any() && summaries.All(static s => !s.HasCriticalValidationErrors && s.Reports.All(static r => r.Success));
    }

    /// <remarks>
    /// In this process: TorchSharp's native library was made loadable for it, and nothing is built. Short iterations: a
    /// kernel's time hardly varies on a quiet machine, and on a busy one more iterations do not help. Enough warm-up that the
    /// runtime has compiled for good, which it does in the background.
    /// </remarks>
    private static ManualConfig Config() => ManualConfig.CreateEmpty()
        .AddJob(Job.Default
            .WithToolchain(InProcessEmitToolchain.Instance)
            .WithWarmupCount(6)
            .WithIterationCount(9)
            .WithIterationTime(TimeInterval.FromMilliseconds(80)))
        .AddColumnProvider(DefaultColumnProviders.Instance)
        .AddColumn(StatisticColumn.Median, StatisticColumn.Min)
        .AddDiagnoser(MemoryDiagnoser.Default)
        .AddLogger(ConsoleLogger.Default)
        .AddExporter(MarkdownExporter.GitHub)
        .WithSummaryStyle(SummaryStyle.Default.WithMaxParameterColumnWidth(60))
        .WithOptions(ConfigOptions.DisableLogFile)
        .WithArtifactsPath(Path.Combine(Repository.Root, "BenchmarkDotNet.Artifacts"));
}
