using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Collectives;
using static TorchSharp.torch;

namespace CnnCluster.Bench.Sides;

/// <summary>How the two workers of a reduction are joined.</summary>
internal enum ReductionMeans
{
    Threads,
    SharedMemory,
    Tcp,
}

/// <summary>Seconds of an all-reduce between two workers, as <c>pytorch_peer.py</c> counts them too.</summary>
internal static class ReductionLoop
{
    private const int WarmUp = 20;
    private const int LeastRounds = 5;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Measures as the first worker; the second one is a thread, or a process that this one starts.</summary>
    public static double Measure(ReductionMeans means, int elements, double seconds) =>
        means == ReductionMeans.Threads ? OfThreads(elements, seconds) : OfProcesses(means, elements, seconds);

    /// <summary>The second worker, in a process of its own.</summary>
    public static void RunSecond(ReductionMeans means, int elements, int port, ReadOnlyMemory<byte> token)
    {
        using var mesh = TcpMesh.Listen(IPAddress.Loopback);
        using var collective = Join(mesh, 1, port, token, means);
        Rounds(collective, elements, 0);
    }

    private static double OfThreads(int elements, double seconds)
    {
        var ranks = new InProcessGroup(new WorldSize(2), Patience).Collectives();
        var second = new Thread(() => Rounds(ranks[1], elements, seconds));
        second.Start();
        var taken = Rounds(ranks[0], elements, seconds);
        second.Join();
        return taken;
    }

    private static double OfProcesses(ReductionMeans means, int elements, double seconds)
    {
        using var mesh = TcpMesh.Listen(IPAddress.Loopback);
        var token = RandomNumberGenerator.GetBytes(16);
        using var second = Process.Start("dotnet",
        [
            typeof(ReductionLoop).Assembly.Location, SecondRankCommand.Name, means.ToString(), elements.ToString(CultureInfo.InvariantCulture),
            mesh.Port.ToString(CultureInfo.InvariantCulture), Convert.ToHexString(token),
        ]);
        using var collective = Join(mesh, 0, mesh.Port, token, means);
        var taken = Rounds(collective, elements, seconds);
        second.WaitForExit();
        return taken;
    }

    private static ICollective Join(TcpMesh mesh, int rank, int port, ReadOnlyMemory<byte> token, ReductionMeans means)
    {
        var address = IPAddress.Loopback.ToString();
        return mesh.Connect(
            new Rank(rank), [(address, port), (address, 0)], 1, token, Patience, Patience, shared: means == ReductionMeans.SharedMemory);
    }

    /// <summary>Warms up, then sums as often as fits into the time, which the first worker reckons for both.</summary>
    private static double Rounds(ICollective collective, int elements, double seconds)
    {
        using var buffer = ones(elements);
        var estimate = Time(collective, buffer, WarmUp);
        using var rounds = tensor(new[] { Math.Max(LeastRounds, Math.Ceiling(seconds / estimate)) });
        collective.Broadcast(rounds, new Rank(0));
        buffer.fill_(1);
        return Time(collective, buffer, (int)rounds.item<double>());
    }

    private static double Time(ICollective collective, Tensor buffer, int rounds)
    {
        collective.Barrier();
        var started = Stopwatch.GetTimestamp();
        for (var round = 0; round < rounds; round++)
        {
            collective.AllReduceSum(buffer);
        }

        return Stopwatch.GetElapsedTime(started).TotalSeconds / rounds;
    }
}
