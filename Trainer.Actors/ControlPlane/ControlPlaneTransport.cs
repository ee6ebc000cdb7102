using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using Akka.Actor;
using Akka.Configuration;
using Akka.Remote.Transport;
using CnnCluster.Kernels.Collectives;

namespace CnnCluster.Trainer.ControlPlane;

/// <summary>
/// Akka.Remote's connections, opened as all others of a run are: by the same security, within the same bound on strangers, and
/// for those only who show the run's token. Akka's own transport bounds nothing of that, and hears whoever reaches its port.
/// </summary>
/// <remarks>Akka makes it by its name; it finds its <see cref="ControlPlaneSetup"/> in the ActorSystem.</remarks>
public sealed class ControlPlaneTransport : Transport, IDisposable
{
    /// <summary>Of addresses: <c>akka.tcp://cnn@HOST:PORT</c>.</summary>
    public const string Scheme = "tcp";

    /// <summary>
    /// Bytes. The longest is a run's job: its script, of which a character has three bytes at most, and some paths. States and
    /// gradients travel elsewhere.
    /// </summary>
    public const int LongestMessage = (3 * Dsl.Limits.LongestScript) + (1 << 20);

    /// <summary>For a connection to be made; shorter than Akka's own patience, so that none is left to nobody.</summary>
    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(10);

    private readonly ControlPlaneSetup setup;
    private readonly TcpListener listener;
    private readonly CancellationTokenSource closing = new();
    private readonly TaskCompletionSource<IAssociationEventListener> associations = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly HashSet<ControlPlaneConnection> connections = new(ReferenceEqualityComparer.Instance);
    private Address own = Address.AllSystems;
    private Task accepting = Task.CompletedTask;

    public ControlPlaneTransport(ActorSystem system, Config config)
    {
        setup = system.Settings.Setup.Get<ControlPlaneSetup>().Value;

        // What is longer than this Akka discards, with a word in its log alone: connections have a bound of their own, and say so.
        (System, Config, SchemeIdentifier, MaximumPayloadBytes) = (system, config, Scheme, int.MaxValue);
        listener = new TcpListener(setup.Network.Bind, setup.Port);
    }

    public override bool IsResponsibleFor(Address remote) => true;

    /// <exception cref="SocketException">The port is taken, or the address not this machine's.</exception>
    public override Task<(Address, TaskCompletionSource<IAssociationEventListener>)> Listen()
    {
        listener.Start();
        own = AddressOf(Scheme, System.Name, setup.Network.Host, ((IPEndPoint)listener.LocalEndpoint).Port);
        accepting = Task.Run(AcceptAsync);
        return Task.FromResult((own, associations));
    }

    /// <exception cref="InvalidAssociationException">There is no connection to it.</exception>
    public override async Task<AssociationHandle> Associate(Address remoteAddress)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(closing.Token);
            patience.CancelAfter(ConnectPatience);
            return Keep(remoteAddress, socket, await OpenAsync(socket, HostOf(remoteAddress), remoteAddress.Port!.Value, patience.Token));
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException or OperationCanceledException)
        {
            socket.Dispose();
            if (e is TurnedAwayException) setup.TurnedAway(remoteAddress, e.Message);
            throw new InvalidAssociationException($"no connection to {remoteAddress}: {e.Message}", e);
        }
    }

    public override async Task<bool> Shutdown()
    {
        Dispose();
        associations.TrySetCanceled();
        await accepting;
        await Task.WhenAll(EndAll());
        return true;
    }

    /// <summary>Accepts and makes no more connections.</summary>
    public void Dispose()
    {
        closing.Cancel();
        listener.Dispose();
    }

    /// <summary>An address with an IPv6 host in brackets, as those of other processes have it.</summary>
    internal static Address AddressOf(string protocol, string system, string host, int port) =>
        new(protocol, system, host.Contains(':') ? $"[{host}]" : host, port);

    /// <summary>An address' host as a socket takes it.</summary>
    internal static string HostOf(Address address) => address.Host.Trim('[', ']');

    private Task[] EndAll()
    {
        lock (connections)
        {
            foreach (var connection in connections) connection.End();
            return [.. connections.Select(static connection => connection.Ended)];
        }
    }

    private async Task AcceptAsync()
    {
        try
        {
            var heard = await associations.Task;
            var guarded = new GuardedListener(listener, setup.Network.Security, ControlPlaneSetup.Name, refusal => setup.Network.Refused(refusal));
            await guarded.RunAsync((socket, stream, patience) => GreetAsync(heard, socket, stream, patience), closing.Token);
        }
        catch (OperationCanceledException)
        {
            // Shut down before anybody wanted to hear of connections.
        }
    }

    private async Task<string?> GreetAsync(IAssociationEventListener heard, Socket socket, Stream stream, CancellationToken patience)
    {
        if (await setup.Hello.WhyNotAsync(stream, patience) is { } why) return why;
        var from = (IPEndPoint)socket.RemoteEndPoint!;
        heard.Notify(new InboundAssociation(Keep(AddressOf(Scheme, System.Name, from.Address.ToString(), from.Port), socket, stream)));
        return null;
    }

    private async Task<Stream> OpenAsync(Socket socket, string host, int port, CancellationToken patience)
    {
        await socket.ConnectAsync(host, port, patience);
        try
        {
            var stream = await setup.Network.Security.ConnectAsync(new SocketStream(socket), host, patience);
            await setup.Hello.IntroduceAsync(stream, patience);
            return stream;
        }
        catch (IOException e) when (e.InnerException is AuthenticationException)
        {
            throw new TurnedAwayException(e.Message, e);
        }
    }

    private ControlPlaneConnection Keep(Address remote, Socket socket, Stream stream)
    {
        var peer = $"{remote.Host}:{remote.Port}";
        var connection = new ControlPlaneConnection(own, remote, socket, stream, why => setup.Refuse(peer, why), why => setup.RefuseToSend(peer, why));
        lock (connections)
        {
            connections.Add(connection);
        }

        if (closing.IsCancellationRequested) connection.End();
        _ = ForgetAsync(connection);
        return connection;
    }

    private async Task ForgetAsync(ControlPlaneConnection connection)
    {
        await connection.Ended;
        lock (connections)
        {
            connections.Remove(connection);
        }
    }
}
