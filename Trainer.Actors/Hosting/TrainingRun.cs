using System.Net;
using System.Security.Cryptography;
using Akka.Actor;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Hosting;

/// <summary>How a run is spread out.</summary>
/// <param name="Workers">Workers in each process, at least 1.</param>
/// <param name="Processes">Local worker processes to start; 0 lets this process do the work.</param>
/// <param name="Devices">What the workers take in turn.</param>
/// <param name="Threads">Intra-op threads of each worker.</param>
public sealed record RunLayout(int Workers, int Processes, IReadOnlyList<string> Devices, int Threads)
{
    public int World => Workers * Math.Max(Processes, 1);

    /// <summary>The devices of one process's workers.</summary>
    public IReadOnlyList<string> DevicesFrom(int firstSlot) =>
        [.. Enumerable.Range(firstSlot, Workers).Select(slot => Devices[slot % Devices.Count])];

    /// <summary>Shares this machine's cores out among the workers, one thread each at least.</summary>
    public static int ThreadsFor(int world) => Math.Max(1, Environment.ProcessorCount / world);
}

/// <summary>Runs a training from its home process: starts the cluster and the workers, and waits for the end.</summary>
public static class TrainingRun
{
    public const string CoordinatorName = "coordinator";

    /// <param name="start">Makes the coordinator's settings, once the home's state receiver is there.</param>
    /// <param name="layout">Where the workers run.</param>
    /// <param name="keeper">The run's folder: takes states and events.</param>
    /// <param name="log">Takes the lines that worker processes write.</param>
    /// <param name="interrupt">Asks the run to stop at its next step, resumably.</param>
    public static async Task<RunOutcome> RunAsync(
        Func<Endpoint, byte[], byte[], RunSettings> start, RunLayout layout, RunKeeper keeper, Action<string> log, CancellationToken interrupt)
    {
        var (joinToken, stateToken) = (RandomNumberGenerator.GetBytes(16), RandomNumberGenerator.GetBytes(16));
        var outcome = new TaskCompletionSource<RunOutcome>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var receiver = keeper.Receive(IPAddress.Loopback, stateToken);
        var settings = start(new Endpoint { Host = IPAddress.Loopback.ToString(), Port = receiver.Port }, joinToken, stateToken);

        await using var home = await ClusterNode.StartHomeAsync(IPAddress.Loopback, interrupt);
        var hub = home.System.ActorOf(ActorFactory<RunEventHub>.Props(() => new RunEventHub(keeper.Readers)), "hub");
        var coordinator = home.System.ActorOf(
            ActorFactory<Coordinator>.Props(() => new Coordinator(settings, hub, o => outcome.TrySetResult(o))), CoordinatorName);
        await using var stop = interrupt.Register(() => coordinator.Tell(new Coordinator.Interrupt()));

        var local = layout.Processes == 0
            ? WorkerHost.RunAsync(home.System, coordinator.Path.ToString(), new WorkerOffer(joinToken, 0, layout.DevicesFrom(0)))
            : Task.FromResult("");
        using var processes = new LocalProcesses(
            Enumerable.Range(0, layout.Processes).Select(p => Process(p * layout.Workers)),
            (id, exitCode) => coordinator.Tell(new Coordinator.ProcessLost(id, exitCode)),
            log);

        var result = await outcome.Task;
        await local;
        await hub.GracefulStop(TimeSpan.FromSeconds(10));
        return result;

        WorkerProcess Process(int firstSlot) =>
            new($"{home.Address.Host}:{home.Address.Port}", joinToken, firstSlot, layout.DevicesFrom(firstSlot), layout.Threads);
    }
}
