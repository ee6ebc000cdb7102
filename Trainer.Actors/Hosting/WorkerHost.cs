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

/// <summary>A process's workers. They outlive the actors that speak for them, until the run dismisses them.</summary>
internal sealed class WorkerHost
{
    private readonly WorkerOffer offer;
    private readonly WorkerServices services;
    private readonly IReadOnlyList<Place> places;

    /// <param name="coordinator">The path of the coordinator.</param>
    /// <param name="offer">What is offered.</param>
    /// <param name="services">What the workers share.</param>
    public WorkerHost(string coordinator, WorkerOffer offer, WorkerServices services)
    {
        (this.offer, this.services) = (offer, services);
        places = [.. offer.Devices.Select((device, i) => new Place($"worker-{i}", device, i, coordinator, services))];
    }

    /// <summary>Why the workers ended: empty when all went well.</summary>
    public Task<string> Ended => Reason();

    /// <summary>Whether a coordinator has taken a worker in since they last got actors.</summary>
    public bool WereAccepted => places.Any(static place => place.Seat.WasAccepted);

    /// <summary>Where the run's control plane was last found: its coordinator, and other workers.</summary>
    public IReadOnlyList<Address> Known =>
        [.. places.SelectMany(static place => place.Seat.Peers.Prepend(place.Seat.Coordinator)).SelectMany(AddressOf).Distinct()];

    /// <summary>Paths are what peers have said of themselves: one that makes no sense leads to nobody.</summary>
    internal static IEnumerable<Address> AddressOf(string path) =>
        ActorPath.TryParse(path, out var parsed) && parsed.Address.HasGlobalScope ? [parsed.Address] : [];

    /// <summary>Gives each worker an actor that speaks for it.</summary>
    /// <param name="node">This process in the cluster.</param>
    /// <param name="standby">What it does where the coordinator is gone; null for a process that ends then.</param>
    public void Speak(ClusterNode node, IStandby? standby)
    {
        foreach (var place in places.Where(static place => !place.Ended.Task.IsCompleted))
        {
            var identity = new WorkerIdentity(
                offer.JoinToken,
                offer.FirstSlot + place.Number ?? -1,
                Environment.MachineName,
                Environment.ProcessId,
                place.Device,
                offer.Share,
                $"{node.Address}/user/{place.Name}",
                MayLead: standby is not null)
            {
                Process = services.Process,
                Peers = place.Seat.Peers,
                Versions = RunDescriptions.Versions(),
            };
            node.System.ActorOf(
                ActorFactory<WorkerActor>.Props(
                    () => new WorkerActor(identity, place.Seat.Coordinator, place.Seat, standby, node.Observation, place.End),
                    failed => place.End(failed.ToString())),
                place.Name);
        }
    }

    /// <summary>Ends workers that nobody has dismissed.</summary>
    public void End(string reason)
    {
        foreach (var place in places)
        {
            place.End(reason);
        }
    }

    private async Task<string> Reason()
    {
        var reasons = await Task.WhenAll(places.Select(static place => place.Ended.Task));
        return reasons.FirstOrDefault(static reason => reason.Length > 0, "");
    }

    private sealed class Place(string name, string device, int number, string coordinator, WorkerServices services)
    {
        private int ending;

        public string Name => name;

        public string Device => device;

        public int Number => number;

        public WorkerSeat Seat { get; } = new(report => new Worker(name, device, services, report), coordinator);

        public TaskCompletionSource<string> Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>A worker's end waits for its threads: that is no work for an actor.</summary>
        public void End(string reason)
        {
            if (Interlocked.Exchange(ref ending, 1) != 0) return;
            new Thread(() =>
            {
                Seat.Worker.Dispose();
                Ended.TrySetResult(reason);
            })
            { IsBackground = true, Name = $"end of {name}" }.Start();
        }
    }
}
