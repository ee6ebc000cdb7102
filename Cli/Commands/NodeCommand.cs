using System.CommandLine;
using System.Net;
using System.Runtime.InteropServices;
using CnnCluster.Trainer;
using CnnCluster.Trainer.Hosting;

namespace CnnCluster.Cli.Commands;

/// <summary><c>cnn node --join HOST:PORT</c>: offers this machine's devices to a training run.</summary>
internal static class NodeCommand
{
    public static Command Create()
    {
        var join = new Option<string>("--join") { Description = "The run's address: HOST:PORT", Required = true, HelpName = "HOST:PORT" };
        var devices = CommonOptions.Devices();
        var firstSlot = new Option<int?>("--first-slot") { Description = "The number of this process's first worker over all processes (default: what the run gives)" };
        var command = new Command("node", "Offer this machine's devices to a training run on this machine") { join, devices, firstSlot };
        command.SetAction((parse, cancellation) => RunAsync(
            parse.GetValue(join)!, parse.GetValue(devices), parse.GetValue(firstSlot), cancellation));
        return command;
    }

    private static async Task<int> RunAsync(string join, string? devices, int? firstSlot, CancellationToken cancellation)
    {
        var home = ParseAddress(join);
        var token = Environment.GetEnvironmentVariable(LocalProcesses.TokenVariable)
            ?? throw new UserException($"{LocalProcesses.TokenVariable} is not set: a node needs the token of the run that it joins.");
        var offer = new WorkerOffer(ParseToken(token), firstSlot, CommonOptions.SplitDevices(devices));

        // Ctrl-C reaches every process of the terminal, and so may a termination: what it means is for the home to say.
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, LeaveToHome);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, LeaveToHome);
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        if (Console.IsInputRedirected)
        {
            WatchParent(leave);
        }

        var reason = await NodeProcess.RunAsync(home, offer, leave.Token);
        if (reason.Length == 0)
        {
            return ExitCode.Success;
        }

        await Console.Error.WriteLineAsync($"cnn node: {reason}");
        return ExitCode.Failed;
    }

    private static void LeaveToHome(PosixSignalContext context) => context.Cancel = Console.IsInputRedirected;

    /// <summary>A parent holds our standard input open: its end means that the parent is gone.</summary>
    private static void WatchParent(CancellationTokenSource leave) =>
        new Thread(() =>
        {
            while (Console.In.Read() >= 0)
            {
            }

            leave.Cancel();
        })
        { IsBackground = true, Name = "parent watch" }.Start();

    private static DnsEndPoint ParseAddress(string text)
    {
        var colon = text.LastIndexOf(':');
        return colon > 0 && int.TryParse(text.AsSpan(colon + 1), out var port) && port is > 0 and < 65536
            ? new DnsEndPoint(text[..colon], port)
            : throw new UserException($"--join takes HOST:PORT, such as 127.0.0.1:4053; '{text}' is not one.");
    }

    private static byte[] ParseToken(string text)
    {
        try
        {
            return Convert.FromHexString(text);
        }
        catch (FormatException)
        {
            throw new UserException($"{LocalProcesses.TokenVariable} is not a token: it must be hexadecimal.");
        }
    }
}
