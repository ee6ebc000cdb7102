using System.Net;
using Akka.Actor;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Observation;
using CnnCluster.Trainer.Security;
using CnnCluster.Trainer.Storage;
using CnnCluster.Trainer.Training;

namespace CnnCluster.Trainer.Hosting;

/// <summary>How a node's part in a run ended.</summary>
/// <param name="Reason">Why its workers ended: empty when the run dismissed them.</param>
/// <param name="Led">The run's end, where this node came to lead it, and did to its end; else null.</param>
/// <param name="Folder">What this node has kept of the run; null where it has kept nothing.</param>
public sealed record NodeEnd(string Reason, RunOutcome? Led, RunFolder? Folder);

/// <summary>What a node that stands by for its run's coordinator needs of whoever started it.</summary>
/// <param name="Folder">Where it keeps the run if it comes to lead it; null for <c>runs/NAME-TIME</c>.</param>
/// <param name="Say">Takes a line for a person.</param>
/// <param name="Reader">Makes a reader of the events of a run that it leads.</param>
public sealed record NodeStandbyOptions(string? Folder, Action<string> Say, Func<RunFolder, RunRequest, long, IRunReader> Reader);

/// <summary>A process that offers its devices to a run elsewhere: <c>cnn node</c>.</summary>
public static class NodeProcess
{
    private static readonly TimeSpan Again = TimeSpan.FromSeconds(1);

    /// <summary>Joins a run's cluster and works for it until it is dismissed. Leads the run where its home is gone and a majority of the workers wants it.</summary>
    /// <param name="home">The run's home.</param>
    /// <param name="network">Where this process is found.</param>
    /// <param name="offer">What is offered.</param>
    /// <param name="options">Of a node that lives on without the home; null for one that ends with it.</param>
    /// <param name="observation">What this process tells those who run it.</param>
    /// <param name="leave">Ends the node at once, and a run that it leads at the next step.</param>
    public static async Task<NodeEnd> RunAsync(
        DnsEndPoint home, NodeNetwork network, WorkerOffer offer, NodeStandbyOptions? options, ProcessObservation observation, CancellationToken leave)
    {
        Kernels.Native.TorchLibrary.EnsureLoaded();
        var address = ClusterNode.AddressOf(home);
        var data = new DataCache();
        using var refusals = new Refusals(static line => Console.Error.WriteLine(line));
        network.Refused = refusals.Note;
        using var services = new WorkerServices(data) { Network = network, Refused = refusals.Note };
        using var folder = options is null ? null : new NodeFolder(options);
        var workers = new WorkerHost(RunHome.PathOf(address), offer, services);
        IReadOnlyList<Address> known = [address];
        while (true)
        {
            await using var node = await ClusterNode.JoinAsync(network, offer.JoinToken, known, observation, leave);
            await using var standby = folder is null ? null : new NodeStandby(node, network, refusals, offer, data, folder, options!.Say);
            workers.Speak(node, standby);
            await Task.WhenAny(workers.Ended, node.System.WhenTerminated, TurnedAwayAsync(node, workers), Asked(standby, leave));
            if (workers.Ended.IsCompleted || leave.IsCancellationRequested) return await EndAsync(workers, standby, folder);

            if (!workers.WereAccepted) return new NodeEnd(await NotLetInAsync(node), null, folder?.Kept);

            // The cluster has taken this process for lost, and its control plane has ended. The workers, what they know and what is kept live on.
            options?.Say("the cluster had given this node up; it joins anew");
            known = workers.Known;
            await Task.WhenAny(Task.Delay(Again, leave));
        }
    }

    /// <summary>Ends when the node is to leave: at once, or, where it leads, when the run has stopped.</summary>
    private static async Task Asked(NodeStandby? standby, CancellationToken leave)
    {
        await Task.WhenAny(Task.Delay(Timeout.Infinite, leave));
        if (standby is not null) await standby.InterruptAsync();
    }

    /// <summary>Ends when nobody of the run's cluster wants this process. Who has been let in is waited for, whatever others say.</summary>
    private static async Task TurnedAwayAsync(ClusterNode node, WorkerHost workers)
    {
        await node.TurnedAway;
        if (workers.WereAccepted) await node.System.WhenTerminated;
    }

    private static async Task<string> NotLetInAsync(ClusterNode node) => node.TurnedAway.IsCompleted
        ? $"the run's cluster does not let this node in: {await node.TurnedAway}"
        : "the run's cluster does not let this node in";

    private static async Task<NodeEnd> EndAsync(WorkerHost workers, NodeStandby? standby, NodeFolder? folder)
    {
        var outcome = standby is null ? null : await standby.OutcomeAsync();
        var isAsked = !workers.Ended.IsCompleted;
        if (isAsked) workers.End(outcome is null ? "asked to leave" : "");
        return new NodeEnd(await workers.Ended, outcome, folder?.Kept);
    }
}
