using System.Globalization;
using System.Net;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Collectives;
using CnnCluster.Trainer.Security;

namespace CnnCluster.Bench.Scale.Measuring;

/// <summary>One rank of a world on this machine, which measures operations with the others; or all of them, as threads.</summary>
internal static class LinkRank
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    /// <summary>
    /// Says its port, reads the run's token and all ranks' ports, and measures; rank 0 prints the points.
    /// </summary>
    /// <param name="link">How the ranks are joined.</param>
    /// <param name="rank">Which one this is.</param>
    /// <param name="world">How many there are.</param>
    /// <param name="quick">Whether only to see that all runs.</param>
    /// <param name="certificates">The folder of a node's certificate; empty where none is used.</param>
    public static void Run(LinkKind link, int rank, int world, bool quick, string certificates)
    {
        if (link == LinkKind.Threads)
        {
            Print(OfThreads(world, quick));
            return;
        }

        using var identity = link is LinkKind.Tls or LinkKind.Hosts ? ClusterIdentity.Read(certificates, DateTimeOffset.UtcNow) : null;
        using var mesh = TcpMesh.Listen(IPAddress.Loopback, identity is null ? null : new MutualTls(identity), refused: null, HostOf(link, rank));
        Console.WriteLine(mesh.Port.ToString(CultureInfo.InvariantCulture));
        var words = Console.ReadLine()!.Split(' ');
        var address = IPAddress.Loopback.ToString();
        var ports = words[1..].Select(port => (address, int.Parse(port, CultureInfo.InvariantCulture))).ToList();
        using var collective = mesh.Connect(
            new Rank(rank), ports, 1, Convert.FromHexString(words[0]), Patience, Patience, shared: link is LinkKind.SharedMemory or LinkKind.Hosts);
        var points = Measure(collective, link, quick);
        if (rank == 0) Print(points);
    }

    /// <summary>The host that a rank says it is on: this machine, or a half of it.</summary>
    private static byte[] HostOf(LinkKind link, int rank) =>
        link == LinkKind.Hosts ? [.. Enumerable.Repeat((byte)(2 * rank / Schedule.RanksOfHosts), RunningKernel.Identity.Length)] : RunningKernel.Identity;

    private static List<LinkPoint> OfThreads(int world, bool quick)
    {
        var ranks = new InProcessGroup(new WorldSize(world), Patience).Collectives();
        var others = ranks.Skip(1).Select(rank => new Thread(() =>
        {
            // A number of threads that is set counts for the thread that sets it.
            TorchSharp.torch.set_num_threads(1);
            Measure(rank, LinkKind.Threads, quick);
        })).ToList();
        others.ForEach(static thread => thread.Start());
        var points = Measure(ranks[0], LinkKind.Threads, quick);
        others.ForEach(static thread => thread.Join());
        return points;
    }

    private static List<LinkPoint> Measure(ICollective collective, LinkKind link, bool quick)
    {
        var points = new List<LinkPoint>();
        foreach (var (operation, bytes) in Schedule.OperationsOf(link, quick))
        {
            using var loop = new OperationLoop(collective, operation, (int)(bytes / sizeof(float)));
            points.Add(loop.Measure(link, quick));
        }

        return points;
    }

    private static void Print(List<LinkPoint> points) => Console.WriteLine(ScaleFigures.ToLine(points));
}
