using System.Net;
using Akka.Actor;
using Akka.Cluster;
using Akka.Cluster.Hosting;
using Akka.Configuration;
using Akka.Hosting;
using Akka.Remote.Hosting;
using Akka.Remote.Transport.DotNetty;
using CnnCluster.Kernels.Collectives;
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
    // The default JSON serializer would build whatever types a peer names: it is replaced by a refusal.
    private const string Settings = """
        akka {
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
          actor {
            serializers.json = "CnnCluster.Trainer.Protocol.RefusingSerializer, CnnCluster.Trainer.Actors"
            serializers.control-plane = "CnnCluster.Trainer.Protocol.ProtobufMessageSerializer, CnnCluster.Trainer.Actors"
          }
          actor.serialization-bindings {
            "Google.Protobuf.IMessage, Google.Protobuf" = control-plane
          }
        }
        """;

    private readonly IHost host;

    private ClusterNode(IHost host, ProcessObservation observation) => (this.host, Observation) = (host, observation);

    /// <summary>What this process tells those who run it.</summary>
    public ProcessObservation Observation { get; }

    public ActorSystem System => host.Services.GetRequiredService<ActorSystem>();

    /// <summary>Where other processes reach this one.</summary>
    public Address Address => Cluster.Get(System).SelfAddress;

    /// <summary>The address of a member, as one that opens connections in the same way knows it.</summary>
    public static Address AddressOf(NodeNetwork network, DnsEndPoint member) =>
        new(network.Identity is null ? "akka.tcp" : "akka.ssl.tcp", SystemName, member.Host, member.Port);

    /// <summary>Starts a cluster of one, which others may join.</summary>
    /// <param name="network">Where it is found.</param>
    /// <param name="port">The port; 0 takes one that the system gives.</param>
    /// <param name="observation">What this process tells those who run it.</param>
    /// <param name="cancellation">Gives up starting.</param>
    public static async Task<ClusterNode> StartHomeAsync(NodeNetwork network, int port, ProcessObservation observation, CancellationToken cancellation)
    {
        var node = await StartAsync(network, port, HomeRole, [], observation, cancellation);
        await Cluster.Get(node.System).JoinAsync(node.Address, cancellation);
        return node;
    }

    /// <summary>Starts this process and joins the cluster of a run.</summary>
    /// <param name="network">Where it is found.</param>
    /// <param name="seeds">Members of it: the first that answers takes this one in.</param>
    /// <param name="observation">What this process tells those who run it.</param>
    /// <param name="cancellation">Gives up starting.</param>
    public static Task<ClusterNode> JoinAsync(NodeNetwork network, IReadOnlyList<Address> seeds, ProcessObservation observation, CancellationToken cancellation) =>
        StartAsync(network, 0, WorkerRole, seeds, observation, cancellation);

    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        await host.StopAsync(patience.Token);
        host.Dispose();
    }

    private static async Task<ClusterNode> StartAsync(
        NodeNetwork network, int port, string role, IReadOnlyList<Address> seeds, ProcessObservation observation, CancellationToken cancellation)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        // Quiet unless asked: what matters of a lost process is said by the coordinator, once and in words.
        var level = observation.Log.LibraryLevel;
        builder.Logging.SetMinimumLevel(level).AddProvider(observation.Log);
        builder.Services.AddAkka(SystemName, akka => Secure(akka, network)
            .AddHocon(ConfigurationFactory.ParseString(Settings), HoconAddMode.Prepend)
            .ConfigureLoggers(static loggers =>
            {
                loggers.ClearLoggers();
                loggers.AddLoggerFactory();
            })
            .AddHocon(ConfigurationFactory.ParseString(AkkaLevel(level)), HoconAddMode.Prepend)
            .WithRemoting(new RemoteOptions { HostName = network.Bind.ToString(), PublicHostName = network.Host, Port = port, EnableSsl = network.Identity is not null })
            .WithClustering(new ClusterOptions
            {
                Roles = [role],
                SeedNodes = [.. seeds.Select(static seed => seed.ToString())],
            }));
        var host = builder.Build();
        await host.StartAsync(cancellation);
        return new ClusterNode(host, observation);
    }

    /// <summary>Both sides show a certificate of the cluster's authority, and the one that is connected to is for the host that was meant.</summary>
    private static AkkaConfigurationBuilder Secure(AkkaConfigurationBuilder akka, NodeNetwork network) => network.Identity is { } identity
        ? akka.AddSetup(new DotNettySslSetup(
            identity.Certificate,
            suppressValidation: false,
            requireMutualAuthentication: true,
            validateCertificateHostname: true,
            (certificate, _, peer, errors, _) => IsLetIn(network, identity.WhyNoPeer(certificate, errors), peer)))
        : akka;

    private static bool IsLetIn(NodeNetwork network, string? why, string peer)
    {
        if (why is not null) network.Refused(new Refusal(peer, "the control plane", why));
        return why is null;
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
