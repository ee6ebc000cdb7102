using System.Net;
using System.Security.Cryptography;
using Akka.Actor;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Protocol;
using CnnCluster.Trainer.Training;

namespace CnnCluster.Trainer.Hosting;

/// <summary>Runs a training from its home process: starts the cluster and the workers, and waits for the end.</summary>
public static class TrainingRun
{
    public const string CoordinatorName = "coordinator";

    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(10);

    /// <param name="request">The run.</param>
    /// <param name="keeper">The run's folder: takes states and events.</param>
    /// <param name="data">Holds the data for the workers of this process.</param>
    /// <param name="log">Takes the lines that worker processes write.</param>
    /// <param name="interrupt">Asks the run to stop at its next step, resumably.</param>
    /// <exception cref="UserException">The request's own step cannot be run, or an exact run cannot be exact.</exception>
    public static async Task<RunOutcome> RunAsync(
        RunRequest request, RunKeeper keeper, DataCache data, Action<string> log, CancellationToken interrupt)
    {
        request.CheckExact();
        var (joinToken, stateToken) = (RandomNumberGenerator.GetBytes(16), RandomNumberGenerator.GetBytes(16));
        var outcome = new TaskCompletionSource<RunOutcome>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var receiver = keeper.Receive(IPAddress.Loopback, stateToken);
        var settings = request.Settings(request.LoadData(data), joinToken, new Endpoint { Host = IPAddress.Loopback.ToString(), Port = receiver.Port }, stateToken);

        await using var home = await ClusterNode.StartHomeAsync(
            request.Listen?.Address ?? IPAddress.Loopback, request.Listen?.Port ?? 0, CancellationToken.None);
        var hub = home.System.ActorOf(ActorFactory<RunEventHub>.Props(() => new RunEventHub(keeper.Readers)), "hub");
        var coordinator = home.System.ActorOf(
            ActorFactory<Coordinator>.Props(() => new Coordinator(settings, hub, o => outcome.TrySetResult(o))), CoordinatorName);
        if (request.Resume is { Position: var position }) hub.Tell(new RunResumed(position.Epoch, position.Step));
        var ticket = new JoinTicket(new DnsEndPoint(home.Address.Host, home.Address.Port!.Value), joinToken);
        using var listening = request.Listen is null ? null : keeper.Listen(ticket);
        if (listening is not null) hub.Tell(new RunListening($"{ticket.Home.Host}:{ticket.Home.Port}", listening.Path));
        await using var stop = interrupt.Register(() => coordinator.Tell(new Coordinator.Interrupt()));

        var layout = request.Layout;
        var local = layout.Processes == 0
            ? WorkerHost.RunAsync(
                home.System,
                coordinator.Path.ToString(),
                new WorkerOffer(joinToken, 0, layout.DevicesFrom(0)),
                new WorkerServices(data) { Catalogues = request.Catalogues, OwnStep = request.OwnStep, HomeTrace = request.Trace })
            : Task.FromResult("");
        using var processes = new LocalProcesses(
            Enumerable.Range(0, layout.Processes).Select(p => Process(p * layout.Workers)),
            (id, exitCode) => coordinator.Tell(new Coordinator.ProcessLost(id, exitCode)),
            log);

        var result = await outcome.Task;
        await Task.WhenAny(local, Task.Delay(EndPatience, CancellationToken.None));
        await hub.GracefulStop(EndPatience);
        return result;

        WorkerProcess Process(int firstSlot) =>
            new($"{home.Address.Host}:{home.Address.Port}", joinToken, firstSlot, layout.DevicesFrom(firstSlot));
    }
}
