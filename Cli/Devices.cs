using CnnCluster.Trainer;
using static TorchSharp.torch;

namespace CnnCluster.Cli;

/// <summary>The devices that a user asks for.</summary>
internal static class Devices
{
    /// <exception cref="UserException">One is no device, or not on this machine.</exception>
    public static void Check(IEnumerable<string> names)
    {
        foreach (var name in names.Distinct(StringComparer.Ordinal))
        {
            Check(name);
        }
    }

    private static void Check(string name)
    {
        if (name == "cpu")
        {
            return;
        }

        if (name != "cuda" && !(name.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(name.AsSpan(5), out _)))
        {
            throw new UserException($"'{name}' is no device: --devices takes cpu, cuda:0, cuda:1, …");
        }

        if (!cuda.is_available())
        {
            throw new UserException($"'{name}' cannot be used: this build has no CUDA, or the machine has no CUDA device. `Backend=cuda ./cnn …` builds for CUDA.");
        }

        var index = name.Length > 5 ? int.Parse(name.AsSpan(5), System.Globalization.CultureInfo.InvariantCulture) : 0;
        if (index >= cuda.device_count())
        {
            throw new UserException($"'{name}' cannot be used: this machine has {cuda.device_count()} CUDA devices, from cuda:0.");
        }
    }
}
