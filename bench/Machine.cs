using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using CnnCluster.Bench.Report;

namespace CnnCluster.Bench;

/// <summary>What the figures depend on.</summary>
internal static class Machine
{
    /// <param name="pytorch">PyTorch's version; null where there is none.</param>
    public static MachineFigures Describe(string? pytorch)
    {
        var versions = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["cnn"] = VersionOf(typeof(Trainer.Training.Replica)),
            [".NET"] = Environment.Version.ToString(),
            ["TorchSharp"] = VersionOf(typeof(TorchSharp.torch)),
            ["libtorch"] = TorchSharp.torch.__version__,
        };
        if (pytorch is not null) versions["PyTorch"] = pytorch;
        return new MachineFigures(
            Processor(), Environment.ProcessorCount, InstructionSet(), RuntimeInformation.OSDescription, Load(), versions);
    }

    private static string VersionOf(Type type)
    {
        var version = type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "";
        var plus = version.IndexOf('+', StringComparison.Ordinal);
        return plus < 0 ? version : version[..Math.Min(version.Length, plus + 9)];
    }

    private static string Processor() =>
        Lines("/proc/cpuinfo").FirstOrDefault(static line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(": ")[^1]
        ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER")
        ?? RuntimeInformation.ProcessArchitecture.ToString();

    private static string InstructionSet()
    {
        var width = Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128;
        return $"{RuntimeInformation.ProcessArchitecture} vector{width}";
    }

    private static double Load() =>
        Lines("/proc/loadavg").FirstOrDefault() is { } line ? double.Parse(line.Split(' ')[0], CultureInfo.InvariantCulture) : 0;

    private static IEnumerable<string> Lines(string path) => File.Exists(path) ? File.ReadLines(path) : [];
}
