using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using CnnCluster.Bench.Rows;

namespace CnnCluster.Bench;

/// <summary>Measures one side in a process of its own, which prints <c>{"value": …}</c>.</summary>
internal static class SideProcess
{
    /// <summary>The command that a measuring process is started with.</summary>
    public const string Command = "measure";

    /// <exception cref="InvalidOperationException">The process failed.</exception>
    public static double Measure(Row row, string side, Conditions at, Python? python)
    {
        var start = side == Row.PyTorch ? PyTorch(row, at, python!) : Own(row, side, at);
        using var process = Process.Start(at.OneCore ? OnOneCore(start) : start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"measuring {row.Name} with {side} failed:\n{error.Result}");
        }

        return JsonDocument.Parse(output).RootElement.GetProperty("value").GetDouble();
    }

    private static ProcessStartInfo Own(Row row, string side, Conditions at) => Quiet(
        "dotnet",
        [
            typeof(SideProcess).Assembly.Location, Command, row.Name, side,
            at.Threads.ToString(CultureInfo.InvariantCulture), at.Seconds.ToString(CultureInfo.InvariantCulture), at.Samples,
        ]);

    /// <remarks>OpenBLAS has threads of its own, which PyTorch's setting does not reach.</remarks>
    private static ProcessStartInfo PyTorch(Row row, Conditions at, Python python)
    {
        var start = Quiet(
            python.Program, [Path.Combine(Repository.Root, "bench", "pytorch_peer.py"), .. row.PyTorchArguments!(at)]);
        start.Environment["OPENBLAS_NUM_THREADS"] = at.Threads.ToString(CultureInfo.InvariantCulture);
        return start;
    }

    /// <summary>The last core: interrupts and whatever else the machine does are most often on the first.</summary>
    private static ProcessStartInfo OnOneCore(ProcessStartInfo start)
    {
        var core = (Environment.ProcessorCount - 1).ToString(CultureInfo.InvariantCulture);
        var pinned = Quiet("taskset", ["-c", core, start.FileName, .. start.ArgumentList]);
        foreach (var (name, value) in start.Environment)
        {
            pinned.Environment[name] = value;
        }

        return pinned;
    }

    private static ProcessStartInfo Quiet(string program, IEnumerable<string> arguments) => new(program, arguments)
    {
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    };
}
