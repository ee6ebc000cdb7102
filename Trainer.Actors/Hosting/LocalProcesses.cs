using System.Diagnostics;
using System.Globalization;
using CnnCluster.Trainer.Observation;
using CnnCluster.Trainer.Security;

namespace CnnCluster.Trainer.Hosting;

/// <summary>How to start one local worker process.</summary>
/// <param name="Join">The home's address, HOST:PORT.</param>
/// <param name="JoinToken">The run's token, which goes by the environment: an argument would be seen by every user.</param>
/// <param name="FirstSlot">The number of its first worker over all processes.</param>
/// <param name="Devices">One device for each of its workers.</param>
/// <param name="Network">Where it is to be found, as the home is.</param>
/// <param name="Log">What it logs, and how: as the home does.</param>
public sealed record WorkerProcess(
    string Join, byte[] JoinToken, int FirstSlot, IReadOnlyList<string> Devices, NodeNetwork Network, LogOptions Log);

/// <summary>The worker processes that this run started on this machine. Disposing it ends them.</summary>
/// <remarks>
/// Dismissed workers leave by themselves; one that stays is asked to, and in the end killed.
/// A child's standard input stays open as long as its home lives: a child that reads its end stops by itself, so
/// no orphan stays behind even when the home is killed.
/// </remarks>
public sealed class LocalProcesses : IDisposable
{
    /// <summary>The environment variable that hands the join token to a child.</summary>
    public const string TokenVariable = "CNN_JOIN_TOKEN";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);
    private readonly List<Process> processes = [];

    /// <param name="children">What to start.</param>
    /// <param name="exited">Called with a child's id and exit code as soon as the operating system says it is gone.</param>
    /// <param name="log">Takes each line that a child writes.</param>
    public LocalProcesses(IEnumerable<WorkerProcess> children, Action<int, int> exited, Action<string> log)
    {
        foreach (var child in children)
        {
            processes.Add(Start(child, exited, log));
        }
    }

    public void Dispose()
    {
        foreach (var process in processes)
        {
            End(process);
        }
    }

    private static Process Start(WorkerProcess child, Action<int, int> exited, Action<string> log)
    {
        var process = new Process { StartInfo = CommandLine(child), EnableRaisingEvents = true };
        process.OutputDataReceived += (_, line) => Forward(line.Data);
        process.ErrorDataReceived += (_, line) => Forward(line.Data);
        process.Exited += (_, _) => exited(process.Id, process.ExitCode);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;

        void Forward(string? line)
        {
            // A line of its log says itself whose it is.
            if (line is not null) log(line.StartsWith(LogRecord.JsonBegin, StringComparison.Ordinal) ? line : $"[process {process.Id}] {line}");
        }
    }

    private static ProcessStartInfo CommandLine(WorkerProcess child)
    {
        var (program, firstArguments) = ThisProgram();
        string[] arguments =
        [
            .. firstArguments, "node",
            "--join", child.Join,
            "--devices", string.Join(',', child.Devices),
            "--first-slot", child.FirstSlot.ToString(CultureInfo.InvariantCulture),
            "--host", child.Network.Host,
            "--log-level", child.Log.LevelName,
            "--log-format", child.Log.FormatName,
            .. child.Network.Certificates is { } certificates ? ["--cert", certificates] : Array.Empty<string>(),
        ];
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment[TokenVariable] = Convert.ToHexString(child.JoinToken);
        return start;
    }

    /// <summary>The command that starts <c>cnn</c> itself, whether this process is cnn, dotnet or a test program.</summary>
    private static (string Program, string[] Arguments) ThisProgram()
    {
        var library = Path.Combine(AppContext.BaseDirectory, "cnn.dll");
        var host = Environment.ProcessPath ?? throw new InvalidOperationException("This process has no path.");
        return Path.GetFileNameWithoutExtension(host) switch
        {
            "dotnet" => (host, [library]),
            "cnn" => (host, []),
            _ => ("dotnet", [library]),
        };
    }

    private static void End(Process process)
    {
        if (!process.WaitForExit(Patience))
        {
            process.StandardInput.Close();
            if (!process.WaitForExit(Patience))
            {
                process.Kill();
                process.WaitForExit(Patience);
            }
        }

        process.Dispose();
    }
}
