using System.Diagnostics;
using System.Runtime.InteropServices;

namespace CnnCluster.Cli;

/// <summary>What Ctrl-C, or a request to terminate, does: it ends a command at once, but for one that has work to put in order first.</summary>
internal static partial class Interruption
{
    private static readonly TimeSpan OneRequest = TimeSpan.FromSeconds(1);
    private static volatile Action<PosixSignalContext> answer = EndAtOnce;

    /// <summary>Takes requests from now on, until it is disposed.</summary>
    public static IDisposable Watch() => new Registrations(
        PosixSignalRegistration.Create(PosixSignal.SIGINT, static context => answer(context)),
        PosixSignalRegistration.Create(PosixSignal.SIGTERM, static context => answer(context)));

    /// <summary>While the work goes on, the first request asks it to stop; a second one ends the process at once.</summary>
    public static async Task<T> RunAsync<T>(Func<CancellationToken, Task<T>> run)
    {
        var first = new Stopwatch();
        using var stop = new CancellationTokenSource();
        return await AnsweringAsync(Ask, () => run(stop.Token));

        void Ask(PosixSignalContext context)
        {
            // One request may come twice at once: to the process and to its group, as an interrupt and as a termination.
            context.Cancel = first.Elapsed < OneRequest;
            first.Start();
            stop.Cancel();
        }
    }

    /// <summary>While the work goes on, requests are answered otherwise.</summary>
    public static async Task<T> AnsweringAsync<T>(Action<PosixSignalContext> otherwise, Func<Task<T>> run)
    {
        answer = otherwise;
        try
        {
            return await run();
        }
        finally
        {
            answer = EndAtOnce;
        }
    }

    /// <summary>There is nothing to put in order: data are read, a network is built or computed.</summary>
    private static void EndAtOnce(PosixSignalContext context)
    {
        Guard.Say("interrupted", ExitCode.Interrupted);
        if (OperatingSystem.IsWindows()) Environment.Exit(ExitCode.Interrupted);
        ExitNow(ExitCode.Interrupted);
    }

    /// <summary>Without what libraries do at an exit: libtorch's threads may be at work.</summary>
    [LibraryImport("libc", EntryPoint = "_exit")]
    private static partial void ExitNow(int code);

    private sealed class Registrations(params IDisposable[] all) : IDisposable
    {
        public void Dispose()
        {
            foreach (var registration in all)
            {
                registration.Dispose();
            }
        }
    }
}
