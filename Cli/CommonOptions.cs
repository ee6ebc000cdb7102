using System.CommandLine;
using System.Globalization;
using CnnCluster.Dsl;

namespace CnnCluster.Cli;

/// <summary>Options that several commands share, with one wording.</summary>
internal static class CommonOptions
{
    public static Argument<string> Script() => new("FILE")
    {
        Description = "A network script (.cnn); FILE:NAME picks one of several networks or train parts",
    };

    public static Option<string?> Devices() => new("--devices")
    {
        Description = "What the workers take in turn: cpu, cuda:0, cuda:1, … separated by commas (default: cpu)",
        HelpName = "LIST",
    };

    public static Option<string?> Certificates() => new("--cert")
    {
        Description = "This node's certificates: a folder that 'cnn cert' made. Connections are encrypted, and only members of the cluster take part",
        HelpName = "DIR",
    };

    public static Option<string?> Host() => new("--host")
    {
        Description = "The name or address that others reach this machine by, which its certificate is for",
        HelpName = "NAME",
    };

    public static Option<string?> Health() => new("--health")
    {
        Description = "Answer /healthz and /readyz by HTTP here, for orchestrators; a port alone is loopback's, and port 0 takes one that is free",
        HelpName = "HOST:PORT",
    };

    public static Option<string?> LogLevel() => new("--log-level")
    {
        Description = "What is logged on standard error: debug, info, warning, error or none (default: CNN_LOG, then none; info with --log-format)",
        HelpName = "LEVEL",
    };

    public static Option<string?> LogFormat() => new("--log-format")
    {
        Description = "How it is logged: text, or json, which makes a JSON object of each line of standard error (default: text)",
        HelpName = "FORMAT",
    };

    public static Option<int?> Threads() => new("--threads")
    {
        Description = "Intra-op threads of each worker (default: cores divided by workers)",
        HelpName = "N",
    };

    public static Option<string?> Data() => new("--data")
    {
        Description = "The data set's folder, or its parent (default: CNN_DATA, then the user's cache)",
        HelpName = "DIR",
    };

    public static Option<bool> Json() => new("--json") { Description = "Print JSON on standard output" };

    public static Option<int?> Epochs() => new("--epochs")
    {
        Description = "At most so many epochs: the same as --set epochs=N",
        HelpName = "N",
    };

    /// <summary>The settings that <c>--set</c> and <c>--epochs</c> change, in the order in which they count.</summary>
    public static IReadOnlyList<Change> ChangesOf(ParseResult parse, Option<string[]> changes, Option<int?> epochs) =>
        [.. (parse.GetValue(changes) ?? []).Select(Change.Set), .. EpochsChange(parse, epochs)];

    /// <summary>The setting that <c>--epochs</c> changes, if it is there.</summary>
    public static IReadOnlyList<Change> EpochsChange(ParseResult parse, Option<int?> epochs) =>
        parse.GetValue(epochs) is { } most ? [Change.Own("epochs", most.ToString(CultureInfo.InvariantCulture))] : [];

    public static Option<long> Steps() => new("--steps") { Description = "Stop after so many steps", HelpName = "N" };

    public static Option<string[]> Changes() => new("--set")
    {
        Description = "Change a setting of the train part: batch=64, optimizer.lr=0.1, optimizer=\"adam lr=1e-3\"; the last one said wins",
        HelpName = "NAME=VALUE",
    };

    /// <exception cref="Trainer.UserException">The value is too small.</exception>
    public static long AtLeast(long least, long value, string option) => value >= least
        ? value
        : throw new Trainer.UserException($"{option} must be at least {least}; it is {value}.");

    /// <summary>Workers, processes and cells at once: each has its replica, threads and buffers, and no machine has devices for more.</summary>
    public const int MostWorkers = 64;

    /// <summary>Threads of a worker: OpenMP reserves each one's stack at once, and some thousands exhaust a process.</summary>
    public const int MostThreads = 1024;

    /// <exception cref="Trainer.UserException">The value is too small or too large.</exception>
    public static int Between(int least, int most, int value, string option) => value <= most
        ? (int)AtLeast(least, value, option)
        : throw new Trainer.UserException($"{option} must be at most {most}; it is {value}.");

    /// <summary>Says so where more threads are asked for than the machine has cores, or more devices than there are workers.</summary>
    /// <param name="world">Workers at a time, on this machine.</param>
    /// <param name="threads">Of each.</param>
    /// <param name="devices">What they take in turn.</param>
    /// <param name="taking">How many take devices together: the workers of one run.</param>
    public static void WarnOf(int world, int threads, IReadOnlyList<string> devices, int taking)
    {
        var cores = Environment.ProcessorCount;
        if (world > cores)
        {
            Console.Error.WriteLine($"cnn: warning: {world} workers share {cores} cores");
        }
        else if ((long)world * threads > cores)
        {
            Console.Error.WriteLine($"cnn: warning: {world * threads} threads share {cores} cores");
        }

        if (devices.Count > taking)
        {
            Console.Error.WriteLine($"cnn: warning: not used, as there are more devices than workers: {string.Join(", ", devices.Skip(taking))}");
        }
    }

    /// <summary>A list as <c>--devices</c> takes it.</summary>
    public static IReadOnlyList<string> SplitDevices(string? text)
    {
        var devices = (text ?? "cpu").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return devices.Length > 0
            ? devices
            : throw new Trainer.UserException("--devices is empty: it takes a list such as cpu or cuda:0,cuda:1.");
    }
}
