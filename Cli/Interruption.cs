using System.Diagnostics;
using System.Runtime.InteropServices;

namespace CnnCluster.Cli;

/// <summary>What Ctrl-C, or a request to terminate, does to a command that trains.</summary>
internal static class Interruption
{
    private static readonly TimeSpan OneRequest = TimeSpan.FromSeconds(1);

    /// <summary>The first one asks the work to stop; a second one ends the process at once.</summary>
    public static async Task<T> RunAsync<T>(Func<CancellationToken, Task<T>> run)
    {
        var first = new Stopwatch();
        using var stop = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Ask);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Ask);
        return await run(stop.Token);

        void Ask(PosixSignalContext context)
        {
            // One request may come twice at once: to the process and to its group, as an interrupt and as a termination.
            context.Cancel = first.Elapsed < OneRequest;
            first.Start();
            stop.Cancel();
        }
    }
}
