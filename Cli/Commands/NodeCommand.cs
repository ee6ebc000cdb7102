using System.CommandLine;
using System.Net;
using System.Runtime.InteropServices;
using CnnCluster.Cli.Output;
using CnnCluster.Trainer;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Hosting;
using CnnCluster.Trainer.Metrics;
using CnnCluster.Trainer.Security;
using CnnCluster.Trainer.Storage;

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
        var (certificates, host) = (CommonOptions.Certificates(), CommonOptions.Host());
        var output = new Option<string?>("--out") { Description = "The run's folder, if this node comes to lead the run (default: runs/NAME-TIME)", HelpName = "DIR" };
        var json = new Option<bool>("--json") { Description = "Print the events of a run that this node leads as JSON lines" };
        var observing = new Observing();
        var command = new Command("node", "Offer this machine's devices to a training run") { join, certificates, host, devices, share, firstSlot, output, json };
        foreach (var option in observing.Options) command.Add(option);
        command.SetAction(async (parse, _) =>
        {
            using var observed = observing.Begin(parse);
            var part = CommonOptions.Between(1, RosterEntry.MostShare, parse.GetValue(share), "--share");
            var ticket = Ticket(parse.GetValue(join)!);
            var offer = new WorkerOffer(ticket.Token, parse.GetValue(firstSlot), CommonOptions.SplitDevices(parse.GetValue(devices)), part);
            var network = NetworkTowards(ticket.Home, parse.GetValue(host), parse.GetValue(certificates));
            observed.Announce(parse.GetValue(json));
            return offer.FirstSlot is null
                ? await RunAsync(ticket, network, offer, new NodeStandbyOptions(parse.GetValue(output), Say, Reader(parse.GetValue(json), observed)), observed, parse.GetValue(json))
                : await ServeHomeAsync(ticket, network, offer, observed);
        });
        return command;
    }

    /// <summary>A node of its own: Ctrl-C ends it, and a run that it leads at the next step.</summary>
    private static async Task<int> RunAsync(JoinTicket ticket, NodeNetwork network, WorkerOffer offer, NodeStandbyOptions options, Observed observed, bool json)
    {
        using var found = network;
        var end = await Interruption.RunAsync(leave => NodeProcess.RunAsync(ticket.Home, network, offer, options, observed.Observation, leave));
        if (end is { Led: { } outcome, Folder: { } led }) return OutcomeOutput.Conclude(outcome, led, json);
        if (end is { Folder: { } kept, Reason.Length: > 0 }) Say($"the last state is in {kept.Checkpoints}; cnn train --resume {kept.Location} goes on from it");
        return CodeOf(end);
    }

    /// <summary>A process that the run's home has started, and that ends with it.</summary>
    private static async Task<int> ServeHomeAsync(JoinTicket ticket, NodeNetwork network, WorkerOffer offer, Observed observed)
    {
        using var found = network;
        using var leave = new CancellationTokenSource();
        if (Console.IsInputRedirected)
        {
            WatchParent(leave);
        }

        // Ctrl-C reaches every process of the terminal, and so may a termination: what it means is for the home to say.
        return CodeOf(await Interruption.AnsweringAsync(
            LeaveToHome, () => NodeProcess.RunAsync(ticket.Home, network, offer, options: null, observed.Observation, leave.Token)));
    }

    /// <summary>Where this node is found: by the name that is said, or by the address from which the run's home is reached.</summary>
    private static NodeNetwork NetworkTowards(DnsEndPoint home, string? name, string? certificates) => name is null
        ? NodeNetwork.Towards(home, certificates)
        : NodeNetwork.Open(null, name, certificates);

    private static int CodeOf(NodeEnd end)
    {
        if (end.Reason.Length == 0) return ExitCode.Success;
        Say(end.Reason);
        return ExitCode.Failed;
    }

    private static void Say(string line) => Console.Error.WriteLine($"cnn node: {line}");

    private static Func<RunFolder, RunRequest, long, IRunReader> Reader(bool json, Observed observed) => (folder, request, steps) => json
        ? new JsonLinesReader(Console.Out, folder.Location)
        : new ConsoleProgress(Terminal.Error(observed.IsStructured), steps, request.Plan.Epochs);

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
        var token = JoinTicket.TokenOfEnvironment()
            ?? throw new UserException($"{LocalProcesses.TokenVariable} is not set: a node needs the token of the run that it joins, or --join with the file 'join' of the run's folder.");
        return new JoinTicket(home, token);
    }
}
