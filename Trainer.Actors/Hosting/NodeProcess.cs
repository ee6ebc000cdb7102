using System.Net;
using Akka.Actor;
using CnnCluster.Trainer.Training;

namespace CnnCluster.Trainer.Hosting;

/// <summary>A process that offers its devices to a run elsewhere: <c>cnn node</c>.</summary>
public static class NodeProcess
{
    /// <summary>Joins a run's cluster and works for it until it is dismissed.</summary>
    /// <param name="home">The run's home.</param>
    /// <param name="offer">What is offered.</param>
    /// <param name="leave">Ends the node at once.</param>
    /// <returns>Why it ended: empty when the run dismissed it.</returns>
    public static async Task<string> RunAsync(DnsEndPoint home, WorkerOffer offer, CancellationToken leave)
    {
        Kernels.Native.TorchLibrary.EnsureLoaded();
        var address = new Address("akka.tcp", ClusterNode.SystemName, home.Host, home.Port);
        await using var node = await ClusterNode.JoinAsync(IPAddress.Loopback, address, leave);
        using var services = new WorkerServices(new DataCache());
        var work = WorkerHost.RunAsync(node.System, $"{address}/user/{TrainingRun.CoordinatorName}", offer, services);
        var left = Task.Delay(Timeout.Infinite, leave);
        return await Task.WhenAny(work, left) == work ? await work : "asked to leave";
    }
}
