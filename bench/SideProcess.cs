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
        using var process = Process.Start(side == Row.PyTorch ? PyTorch(row, at, python!) : Own(row, side, at))!;
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

    private static ProcessStartInfo Quiet(string program, IEnumerable<string> arguments) => new(program, arguments)
    {
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    };
}
