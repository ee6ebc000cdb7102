using System.CommandLine;
using System.Runtime.InteropServices;
using CnnCluster.Trainer;
using CnnCluster.Trainer.Hosting;

namespace CnnCluster.Cli.Commands;

/// <summary><c>cnn node --join HOST:PORT</c>: offers this machine's devices to a training run.</summary>
internal static class NodeCommand
{
    public static Command Create()
    {
        var join = new Option<string>("--join") { Description = "The run: the file 'join' of its folder, or HOST:PORT with its token in CNN_JOIN_TOKEN", Required = true, HelpName = "RUN" };
        var devices = CommonOptions.Devices();
        var firstSlot = new Option<int?>("--first-slot") { Description = "The number of this process's first worker over all processes (default: what the run gives)" };
        var share = new Option<int>("--share") { Description = "Each worker's part of a batch beside the others'", DefaultValueFactory = _ => 1, HelpName = "N" };
        var command = new Command("node", "Offer this machine's devices to a training run on this machine") { join, devices, share, firstSlot };
        command.SetAction((parse, cancellation) => RunAsync(
            parse.GetValue(join)!, parse.GetValue(devices), parse.GetValue(firstSlot),
            (int)CommonOptions.AtLeast(1, parse.GetValue(share), "--share"), cancellation));
        return command;
    }

    private static async Task<int> RunAsync(string join, string? devices, int? firstSlot, int share, CancellationToken cancellation)
    {
        var ticket = Ticket(join);
        var offer = new WorkerOffer(ticket.Token, firstSlot, CommonOptions.SplitDevices(devices), share);

        // Ctrl-C reaches every process of the terminal, and so may a termination: what it means is for the home to say.
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, LeaveToHome);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, LeaveToHome);
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        if (Console.IsInputRedirected)
        {
            WatchParent(leave);
        }

        var reason = await NodeProcess.RunAsync(ticket.Home, offer, leave.Token);
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

    /// <summary>A run's address with the token in the environment, or the file that the run has written.</summary>
    private static JoinTicket Ticket(string join)
    {
        if (File.Exists(join)) return JoinTicket.Read(join);
        var home = JoinTicket.TryParseAddress(join)
            ?? throw new UserException($"--join takes HOST:PORT, such as 127.0.0.1:4053, or the file 'join' of a run's folder; '{join}' is neither.");
        var token = Environment.GetEnvironmentVariable(LocalProcesses.TokenVariable)
            ?? throw new UserException($"{LocalProcesses.TokenVariable} is not set: a node needs the token of the run that it joins, or --join with the file 'join' of the run's folder.");
        return new JoinTicket(home, JoinTicket.ParseToken(token, LocalProcesses.TokenVariable));
    }
}
