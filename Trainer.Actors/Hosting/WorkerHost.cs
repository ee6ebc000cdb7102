using Akka.Actor;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Coordination.Machines;
using CnnCluster.Trainer.Training;

namespace CnnCluster.Trainer.Hosting;

/// <summary>The workers that a process offers to a run.</summary>
/// <param name="JoinToken">The run's token.</param>
/// <param name="FirstSlot">The number of the first one over all processes; null takes what the run gives.</param>
/// <param name="Devices">One device for each.</param>
/// <param name="Share">Each one's part of a batch beside other workers'.</param>
public sealed record WorkerOffer(byte[] JoinToken, int? FirstSlot, IReadOnlyList<string> Devices, int Share = 1);

/// <summary>Runs a process's workers until the run dismisses them.</summary>
public static class WorkerHost
{
    /// <param name="system">This process's actor system.</param>
    /// <param name="coordinator">The path of the coordinator.</param>
    /// <param name="offer">What is offered.</param>
    /// <param name="services">What the workers share.</param>
    /// <returns>Why the workers ended: empty when all went well.</returns>
    public static async Task<string> RunAsync(ActorSystem system, string coordinator, WorkerOffer offer, WorkerServices services)
    {
        var ends = offer.Devices.Select((device, i) => StartAsync(system, coordinator, Identity(offer, device, i), $"worker-{i}", services));
        var reasons = await Task.WhenAll(ends);
        return reasons.FirstOrDefault(static reason => reason.Length > 0, "");
    }

    private static WorkerIdentity Identity(WorkerOffer offer, string device, int i) =>
        new(offer.JoinToken, offer.FirstSlot + i ?? -1, Environment.MachineName, Environment.ProcessId, device, offer.Share);

    private static Task<string> StartAsync(
        ActorSystem system, string coordinator, WorkerIdentity identity, string name, WorkerServices services)
    {
        var ended = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        system.ActorOf(
            ActorFactory<WorkerActor>.Props(() => new WorkerActor(
                identity, coordinator, report => new Worker(name, identity.Device, services, report), (worker, reason) => End(worker, name, reason, ended))),
            name);
        return ended.Task;
    }

    /// <summary>A worker's end waits for its threads: that is no work for an actor.</summary>
    private static void End(IWorker worker, string name, string reason, TaskCompletionSource<string> ended) =>
        new Thread(() =>
        {
            worker.Dispose();
            ended.TrySetResult(reason);
        })
        { IsBackground = true, Name = $"end of {name}" }.Start();
}
