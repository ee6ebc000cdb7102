using System.Net;
using Akka.Actor;
using Akka.Cluster;
using Akka.Cluster.Hosting;
using Akka.Configuration;
using Akka.Hosting;
using CnnCluster.Trainer.ControlPlane;
using CnnCluster.Trainer.Observation;
using CnnCluster.Trainer.Security;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace CnnCluster.Trainer.Hosting;

/// <summary>This process as a member of the training cluster: the ActorSystem, its remoting and its membership.</summary>
public sealed class ClusterNode : IAsyncDisposable
{
    public const string SystemName = "cnn";

    /// <summary>The role of the process that started the run: <c>cnn train</c>.</summary>
    public const string HomeRole = "home";

    /// <summary>The role of a process that offers devices.</summary>
    public const string WorkerRole = "worker";

    // Membership settles in a few ticks; with the default of one second a tick, forming takes seconds.
    // Nobody is downed by Akka's own resolvers: who goes on is the coordinators' majority to say (docs/adr/0018), see Downing.
    // A process that cannot join is ended by its workers, which wait for less long and keep what they have.
    // A member that was killed cannot agree to anybody's leaving: a second is waited for it, no longer.
    // Heartbeats are answered on Akka's own dispatcher, so training threads cannot starve them.
    // Nor is a process taken for gone because Akka's watching has not heard of it: where this process itself has stood still, it
    // would say so of each that is no full member yet, and never hear it again (docs/adr/0018). Silence is the coordinator's to judge.
    // The default JSON serializer would build whatever types a peer names, and others actors of them: refusals replace them, at
    // their numbers, so that no peer gets at them; of what is left of Akka's own, only what a cluster says is read.
    private const string Settings = """
        akka {
          log-serializer-override-on-start = off
          stdout-logger-class = "CnnCluster.Trainer.Hosting.ErrorStreamLogger, CnnCluster.Trainer.Actors"
          coordinated-shutdown.exit-clr = off
          coordinated-shutdown.run-by-clr-shutdown-hook = off
          coordinated-shutdown.default-phase-timeout = 1 s
          coordinated-shutdown.phases.cluster-leave.timeout = 1 s
          coordinated-shutdown.phases.cluster-exiting.timeout = 1 s
          cluster {
            gossip-interval = 200 ms
            leader-actions-interval = 200 ms
            periodic-tasks-initial-delay = 100 ms
            retry-unsuccessful-join-after = 1 s
            shutdown-after-unsuccessful-join-seed-nodes = 90 s
            run-coordinated-shutdown-when-down = on
            downing-provider-class = "Akka.Cluster.NoDowning, Akka.Cluster"
          }
          remote {
            watch-failure-detector.acceptable-heartbeat-pause = 365 d
            enabled-transports = ["akka.remote.control-plane"]
            control-plane {
              transport-class = "CnnCluster.Trainer.ControlPlane.ControlPlaneTransport, CnnCluster.Trainer.Actors"
              applied-adapters = []
            }
          }
          actor {
            serializers {
              json = "CnnCluster.Trainer.Protocol.RefusingSerializer, CnnCluster.Trainer.Actors"
              proto = "CnnCluster.Trainer.Protocol.RefusingSerializer, CnnCluster.Trainer.Actors"
              daemon-create = "CnnCluster.Trainer.Protocol.RefusingSerializer, CnnCluster.Trainer.Actors"
              reliable-delivery = "CnnCluster.Trainer.Protocol.RefusingSerializer, CnnCluster.Trainer.Actors"
              akka-misc = "CnnCluster.Trainer.Protocol.RemoteWatchSerializer, CnnCluster.Trainer.Actors"
              akka-system-msg = "CnnCluster.Trainer.Protocol.DeathWatchSerializer, CnnCluster.Trainer.Actors"
            }
            serialization-settings {
              json.identifier = 1
              proto.identifier = 2
              daemon-create.identifier = 3
              reliable-delivery.identifier = 36
            }
            serializers.control-plane = "CnnCluster.Trainer.Protocol.ProtobufMessageSerializer, CnnCluster.Trainer.Actors"
          }
          actor.serialization-bindings {
            "Google.Protobuf.IMessage, Google.Protobuf" = control-plane
          }
        }
        """;

    private readonly IHost host;

    private ClusterNode(IHost host, Task<string> turnedAway, ProcessObservation observation) =>
        (this.host, TurnedAway, Observation) = (host, turnedAway, observation);

    /// <summary>What this process tells those who run it.</summary>
    public ProcessObservation Observation { get; }

    public ActorSystem System => host.Services.GetRequiredService<ActorSystem>();

    /// <summary>Completes, with the reason, when every member that was to take this process in has turned it away for good.</summary>
    public Task<string> TurnedAway { get; }

    /// <summary>Where other processes reach this one.</summary>
    public Address Address => Cluster.Get(System).SelfAddress;

    /// <summary>The address of a member, as the others know it.</summary>
    public static Address AddressOf(DnsEndPoint member) =>
        ControlPlaneTransport.AddressOf($"akka.{ControlPlaneTransport.Scheme}", SystemName, member.Host, member.Port);

    /// <summary>Starts a cluster of one, which others may join.</summary>
    /// <param name="network">Where it is found.</param>
    /// <param name="port">The port; 0 takes one that the system gives.</param>
    /// <param name="token">The run's 16 bytes, which connections show.</param>
    /// <param name="observation">What this process tells those who run it.</param>
    /// <param name="cancellation">Gives up starting.</param>
    public static async Task<ClusterNode> StartHomeAsync(
        NodeNetwork network, int port, byte[] token, ProcessObservation observation, CancellationToken cancellation)
    {
        var node = await StartAsync(network, port, token, HomeRole, [], observation, cancellation);
        await Cluster.Get(node.System).JoinAsync(node.Address, cancellation);
        return node;
    }

    /// <summary>Starts this process and joins the cluster of a run.</summary>
    /// <param name="network">Where it is found.</param>
    /// <param name="token">The run's 16 bytes, which connections show.</param>
    /// <param name="seeds">Members of it: the first that answers takes this one in.</param>
    /// <param name="observation">What this process tells those who run it.</param>
    /// <param name="cancellation">Gives up starting.</param>
    public static Task<ClusterNode> JoinAsync(
        NodeNetwork network, byte[] token, IReadOnlyList<Address> seeds, ProcessObservation observation, CancellationToken cancellation) =>
        StartAsync(network, 0, token, WorkerRole, seeds, observation, cancellation);

    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        await host.StopAsync(patience.Token);
        host.Dispose();
    }

    private static async Task<ClusterNode> StartAsync(
        NodeNetwork network, int port, byte[] token, string role, IReadOnlyList<Address> seeds, ProcessObservation observation, CancellationToken cancellation)
    {
        var refusing = new Refusing(seeds);
        var builder = Host.CreateEmptyApplicationBuilder(null);
        // Quiet unless asked: what matters of a lost process is said by the coordinator, once and in words.
        var level = observation.Log.LibraryLevel;
        builder.Logging.SetMinimumLevel(level).AddProvider(observation.Log);
        builder.Services.AddAkka(SystemName, akka => akka
            .AddSetup(new ControlPlaneSetup(network, port, token) { TurnedAway = refusing.Note })
            .AddHocon(ConfigurationFactory.ParseString(Settings), HoconAddMode.Prepend)
            .ConfigureLoggers(static loggers =>
            {
                loggers.ClearLoggers();
                loggers.AddLoggerFactory();
            })
            .AddHocon(ConfigurationFactory.ParseString(AkkaLevel(level)), HoconAddMode.Prepend)
            .WithClustering(new ClusterOptions
            {
                Roles = [role],
                SeedNodes = [.. seeds.Select(static seed => seed.ToString())],
            }));
        var host = builder.Build();
        await host.StartAsync(cancellation);
        var node = new ClusterNode(host, refusing.All, observation);
        if (role == WorkerRole) node.System.ActorOf(Props.Create(static () => new Quarantine()), "quarantine");
        return node;
    }

    /// <summary>The members that have turned this process away, of those that were to take it in.</summary>
    private sealed class Refusing(IReadOnlyList<Address> seeds)
    {
        private readonly TaskCompletionSource<string> all = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly HashSet<(string Host, int? Port)> known = [];

        public Task<string> All => all.Task;

        /// <summary>From any thread.</summary>
        public void Note(Address member, string why)
        {
            lock (known)
            {
                known.Add((member.Host, member.Port));
                if (seeds.Count > 0 && seeds.All(seed => known.Contains((seed.Host, seed.Port)))) all.TrySetResult(why);
            }
        }
    }

    /// <summary>Akka's own filter.</summary>
    private static string AkkaLevel(LogLevel level)
    {
        var name = level switch
        {
            LogLevel.None => "OFF",
            _ => level.ToString().ToUpperInvariant(),
        };
        return $"akka.loglevel = {name}\nakka.stdout-loglevel = {name}";
    }
}
