using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using CnnCluster.Trainer.Storage;
using CnnCluster.Trainer.Training;

namespace CnnCluster.Trainer.Hosting;

/// <summary>What <c>run.json</c> keeps of a run that was asked for.</summary>
public static class RunDescriptions
{
    public static RunDescription Of(RunRequest request, Data.DataSet data, DateTimeOffset started) => new()
    {
        Network = request.Plan.Network.Name,
        Train = request.Plan.Name,
        Seed = request.Plan.Seed,
        World = request.Layout.World,
        Workers = request.Layout.Workers,
        Processes = request.Layout.Processes,
        Devices = request.Layout.Devices,
        Threads = request.Layout.Threads,
        ExactShards = request.Plan.Shards,
        Wire = WireNames.Name(request.Wire),
        Data = request.Plan.Data.Definition.Name,
        DataFolder = request.DataFolder is { } folder ? Path.GetFullPath(folder) : null,
        DataFingerprint = data.Fingerprint(),
        Versions = Versions(),
        Started = started,
    };

    /// <summary>What figures depend on besides the script and the data.</summary>
    public static IReadOnlyDictionary<string, string> Versions() => new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["cnn"] = VersionOf(typeof(RunDescriptions)),
        ["torchsharp"] = VersionOf(typeof(TorchSharp.torch)),
        ["dotnet"] = Environment.Version.ToString(),
        ["os"] = RuntimeInformation.OSDescription,
        ["instruction_set"] = InstructionSet(),
    };

    private static string VersionOf(Type type) =>
        type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "";

    private static string InstructionSet()
    {
        var width = Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128;
        return $"{RuntimeInformation.ProcessArchitecture} vector{width}";
    }
}
