using System.CommandLine;
using System.Net;
using CnnCluster.Trainer;
using CnnCluster.Trainer.Security;

namespace CnnCluster.Cli.Commands;

/// <summary><c>cnn cert init</c> and <c>cnn cert node</c>: a cluster's certificates.</summary>
internal static class CertCommand
{
    private const string DefaultFolder = "cluster-certs";
    private const int MostDays = 36_500;

    public static Command Create() =>
        new("cert", "Make the certificates by which the nodes of a cluster know each other") { Init(), Node() };

    private static Command Init()
    {
        var output = new Option<string>("--out") { Description = "The folder to make", DefaultValueFactory = _ => DefaultFolder, HelpName = "DIR" };
        var hosts = new Option<string[]>("--host")
        {
            Description = "A node's host name or address, or several of one node: gpu1,10.0.0.5; may be repeated (default: this machine's name)",
            AllowMultipleArgumentsPerToken = true,
            HelpName = "NAME",
        };
        var days = Days();
        var command = new Command("init", "Make a cluster's authority, and a folder of certificates for each node") { output, hosts, days };
        command.SetAction(parse => Init(parse.GetValue(output)!, parse.GetValue(hosts) ?? [], DaysOf(parse.GetValue(days))));
        return command;
    }

    private static Command Node()
    {
        var authority = new Option<string>("--ca") { Description = "The folder that 'cnn cert init' made", Required = true, HelpName = "DIR" };
        var host = new Option<string>("--host") { Description = "The node's host name or address, or several: gpu1,10.0.0.5", Required = true, HelpName = "NAME" };
        var days = Days();
        var command = new Command("node", "Make a folder of certificates for one more node") { authority, host, days };
        command.SetAction(parse => AddNode(parse.GetValue(authority)!, NodeNames.Parse(parse.GetValue(host)!), DaysOf(parse.GetValue(days))));
        return command;
    }

    private static Option<int> Days() =>
        new("--days") { Description = "How long a node's certificate is valid", DefaultValueFactory = _ => 365, HelpName = "N" };

    private static int DaysOf(int days) => CommonOptions.AtLeast(1, days, "--days") <= MostDays
        ? days
        : throw new UserException($"--days must be at most {MostDays}; it is {days}.");

    private static int Init(string folder, string[] hosts, int days)
    {
        NodeNames[] nodes = [.. (hosts.Length == 0 ? [Dns.GetHostName()] : hosts).Select(NodeNames.Parse)];
        if (nodes.CountBy(static n => n.Folder, StringComparer.OrdinalIgnoreCase).FirstOrDefault(static n => n.Value > 1).Key is { } twice)
        {
            throw new UserException($"--host names {twice} twice.");
        }

        CertificateFolders.Create(folder, nodes, DateTimeOffset.UtcNow, days);
        foreach (var node in nodes) Say(folder, node);
        return ExitCode.Success;
    }

    private static int AddNode(string folder, NodeNames names, int days)
    {
        CertificateFolders.AddNode(folder, names, DateTimeOffset.UtcNow, days);
        Say(folder, names);
        return ExitCode.Success;
    }

    private static void Say(string folder, NodeNames names) => Console.WriteLine(CertificateFolders.OfNode(folder, names));
}
