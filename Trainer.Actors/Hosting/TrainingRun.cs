using System.Security.Cryptography;
using Akka.Actor;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Observation;
using CnnCluster.Trainer.Security;
using CnnCluster.Trainer.Training;

namespace CnnCluster.Trainer.Hosting;

/// <summary>Runs a training from its home process: starts the cluster and the workers, and waits for the end.</summary>
public static class TrainingRun
{
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
        Kernels.Native.TorchLibrary.EnsureLoaded();
        request.CheckExact();
        request.CheckWire();
        var joinToken = request.JoinToken ?? RandomNumberGenerator.GetBytes(16);
        var samples = request.LoadData(data);
        using var refusals = new Refusals(log);
        using var loopback = NodeNetwork.Loopback();
        var network = request.Network ?? loopback;
        network.Refused = refusals.Note;
        var observation = request.Observation ?? ProcessObservation.OfEnvironment();
        await using var node = await ClusterNode.StartHomeAsync(network, request.Port ?? 0, joinToken, observation, CancellationToken.None);
        await using var home = new RunHome(node, network, keeper, (receiver, token) => request.Settings(samples, joinToken, receiver, token), refusals.Note);
        if (request.Resume is { Position: var position }) home.Publish(new RunResumed(position.Epoch, position.Step));
        if (request.Port is not null) home.Listen(keeper);
        await using var stop = interrupt.Register(() => home.Coordinator.Tell(new Coordinator.Interrupt()));

        var layout = request.Layout;
        var local = layout.Processes == 0
            ? new WorkerHost(
                home.CoordinatorPath,
                new WorkerOffer(joinToken, 0, layout.DevicesFrom(0)),
                new WorkerServices(data) { Network = network, Refused = refusals.Note, Catalogues = request.Catalogues, OwnStep = request.OwnStep, HomeTrace = request.Trace })
            : null;
        local?.Speak(node, standby: null);
        using var processes = new LocalProcesses(
            Enumerable.Range(0, layout.Processes).Select(p => Process(p * layout.Workers)),
            (id, exitCode) => home.Coordinator.Tell(new Coordinator.ProcessLost(id, exitCode)),
            line =>
            {
                // A run that was interrupted sends away workers that only just come, and that is no news.
                if (!interrupt.IsCancellationRequested || !home.Outcome.IsCompleted) log(line);
            });

        var result = await home.Outcome;
        if (local is not null) await Task.WhenAny(local.Ended, Task.Delay(EndPatience, CancellationToken.None));
        return result;

        WorkerProcess Process(int firstSlot) =>
            new($"{node.Address.Host}:{node.Address.Port}", joinToken, firstSlot, layout.DevicesFrom(firstSlot), network, observation.Log.Options);
    }
}
