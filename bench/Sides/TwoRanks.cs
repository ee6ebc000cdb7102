using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Collectives;
using static TorchSharp.torch;

namespace CnnCluster.Bench.Sides;

/// <summary>How two workers are joined.</summary>
internal enum Means
{
    Threads,
    SharedMemory,
    Tcp,
}

/// <summary>Two workers of this host: two threads of this process, or this one and another.</summary>
internal static class TwoRanks
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Measures as the first worker, beside the second.</summary>
    /// <param name="means">How the two are joined.</param>
    /// <param name="work">What the second one does, as <see cref="SecondRankCommand"/> reads it.</param>
    /// <param name="first">The first one's measurement.</param>
    /// <param name="second">What the second one does where it is a thread.</param>
    public static double Measure(Means means, IReadOnlyList<string> work, Func<ICollective, double> first, Action<ICollective> second) =>
        means == Means.Threads ? OfThreads(first, second) : OfProcesses(means, work, first);

    /// <summary>The second worker, in a process of its own.</summary>
    public static void RunSecond(Means means, int port, ReadOnlyMemory<byte> token, Action<ICollective> second)
    {
        using var mesh = TcpMesh.Listen(IPAddress.Loopback);
        using var collective = Join(mesh, 1, port, token, means);
        second(collective);
    }

    private static double OfThreads(Func<ICollective, double> first, Action<ICollective> second)
    {
        var ranks = new InProcessGroup(new WorldSize(2), Patience).Collectives();
        var threads = get_num_threads();
        var other = new Thread(() =>
        {
            // A number of threads that is set counts for the thread that sets it.
            set_num_threads(threads);
            second(ranks[1]);
        });
        other.Start();
        var measured = first(ranks[0]);
        other.Join();
        return measured;
    }

    private static double OfProcesses(Means means, IReadOnlyList<string> work, Func<ICollective, double> first)
    {
        using var mesh = TcpMesh.Listen(IPAddress.Loopback);
        var token = RandomNumberGenerator.GetBytes(16);
        using var second = Process.Start("dotnet",
        [
            typeof(TwoRanks).Assembly.Location, SecondRankCommand.Name, means.ToString(),
            mesh.Port.ToString(CultureInfo.InvariantCulture), Convert.ToHexString(token), .. work,
        ]);
        using var collective = Join(mesh, 0, mesh.Port, token, means);
        var measured = first(collective);
        second.WaitForExit();
        return measured;
    }

    private static ICollective Join(TcpMesh mesh, int rank, int port, ReadOnlyMemory<byte> token, Means means)
    {
        var address = IPAddress.Loopback.ToString();
        return mesh.Connect(
            new Rank(rank), [(address, port), (address, 0)], 1, token, Patience, Patience, shared: means == Means.SharedMemory);
    }
}
