using System.Net;
using System.Security.Cryptography;
using Akka.Actor;
using CnnCluster.Kernels.Collectives;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Coordination.Machines;
using CnnCluster.Trainer.Protocol;
using CnnCluster.Trainer.Security;
using CnnCluster.Trainer.StateChannel;

namespace CnnCluster.Trainer.Hosting;

/// <summary>What the process that leads a run has of it: the coordinator, the events and their readers, the place for states.</summary>
internal sealed class RunHome : IAsyncDisposable
{
    public const string CoordinatorName = "coordinator";

    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan NameInterval = TimeSpan.FromMilliseconds(10);
    private readonly TaskCompletionSource<RunOutcome> outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IActorRef hub;
    private readonly IActorRef downing;
    private readonly StateReceiver receiver;
    private JoinFile? joinFile;

    /// <param name="node">This process in the cluster.</param>
    /// <param name="network">Where it is found.</param>
    /// <param name="keeper">The run's folder: takes states and events.</param>
    /// <param name="describe">What the coordinator must know, from where states are sent and what they must show there.</param>
    /// <param name="refused">Hears of each connection that is turned away.</param>
    /// <param name="mandate">Of a process that takes the run over; null for the one that starts it.</param>
    public RunHome(
        ClusterNode node, NodeNetwork network, RunKeeper keeper, Func<Endpoint, byte[], RunSettings> describe, Action<Refusal> refused, Mandate? mandate = null)
    {
        Node = node;
        var token = RandomNumberGenerator.GetBytes(16);
        receiver = keeper.Receive(network, token, refused);
        try
        {
            Settings = describe(new Endpoint { Host = network.Host, Port = receiver.Port }, token);
            hub = node.System.ActorOf(ActorFactory<RunEventHub>.Props(() => new RunEventHub(keeper.Readers)));
            Coordinator = node.System.ActorOf(
                ActorFactory<Coordinator>.Props(() => new Coordinator(Settings, hub, o => outcome.TrySetResult(o), node.Observation, mandate)), CoordinatorName);
            downing = node.System.ActorOf(ActorFactory<Downing>.Props(() => new Downing(Coordinator)));
        }
        catch
        {
            receiver.Dispose();
            foreach (var actor in new[] { hub, Coordinator })
            {
                if (actor is not null) node.System.Stop(actor);
            }

            throw;
        }
    }

    public ClusterNode Node { get; }

    public RunSettings Settings { get; }

    public IActorRef Coordinator { get; }

    /// <summary>The path of the coordinator, for workers elsewhere.</summary>
    public string CoordinatorPath => PathOf(Node.Address);

    /// <summary>How the run ended.</summary>
    public Task<RunOutcome> Outcome => outcome.Task;

    public static string PathOf(Address home) => $"{home}/user/{CoordinatorName}";

    public void Publish(IRunEvent happened) => hub.Tell(happened);

    /// <summary>Lets nodes join, and writes down how.</summary>
    public void Listen(RunKeeper keeper)
    {
        var ticket = new JoinTicket(new DnsEndPoint(Node.Address.Host, Node.Address.Port!.Value), Settings.JoinToken);
        joinFile = keeper.Listen(ticket);
        Publish(new RunListening($"{ticket.Home.Host}:{ticket.Home.Port}", joinFile.Path));
    }

    /// <summary>
    /// Ends the coordinator's actor, so that this process can have another. (Where the process ends, its system does so: workers
    /// are to hear of their dismissal before they hear that the coordinator is gone.)
    /// </summary>
    public async Task RetireAsync()
    {
        try
        {
            await Task.WhenAll(downing.GracefulStop(EndPatience), Coordinator.GracefulStop(EndPatience));
        }
        finally
        {
            outcome.TrySetResult(new RunOutcome(StopReason.Failed, "another coordinator leads the run", 0, new EarlyStoppingState(), null, "", null) { IsOutvoted = true });
        }

        // An actor's name is free a little after its end.
        var until = DateTime.UtcNow + EndPatience;
        while (!((ExtendedActorSystem)Node.System).Guardian.GetChild([CoordinatorName]).IsNobody() && DateTime.UtcNow < until)
        {
            await Task.Delay(NameInterval);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await hub.GracefulStop(EndPatience);
        joinFile?.Dispose();
        receiver.Dispose();
    }
}
