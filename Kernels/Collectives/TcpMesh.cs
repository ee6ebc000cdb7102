using System.Net;
using System.Net.Sockets;

namespace CnnCluster.Kernels.Collectives;

/// <summary>This process's listener for the other ranks, and the forming of a collective over TCP with them.</summary>
/// <remarks>
/// A connection that does not pass its security and show this generation's token within some seconds is closed and
/// disturbs nothing. Where connections are plain the token goes over the wire in clear: it keeps out mistakes and
/// strangers, not someone who can read the network.
/// </remarks>
public sealed class TcpMesh : IDisposable
{
    private readonly TcpListener listener;
    private readonly IConnectionSecurity security;
    private readonly CancellationTokenSource closing = new();
    private readonly MeshFormings formings = new();
    private readonly byte[] host;

    private TcpMesh(IPAddress address, IConnectionSecurity security, Action<Refusal> refused, byte[] host)
    {
        this.security = security;
        this.host = host;
        listener = new TcpListener(address, 0);
        listener.Start();
        Port = ((IPEndPoint)listener.LocalEndpoint).Port;
        var guarded = new GuardedListener(listener, security, "a worker's data plane", refused) { LooksAgain = true };
        _ = Task.Run(() => guarded.RunAsync(formings.GreetAsync, closing.Token));
    }

    public int Port { get; }

    /// <summary>Listens on an address, at a port that the system gives; peers can connect from now on.</summary>
    /// <param name="address">One of this machine's.</param>
    /// <param name="security">How connections are opened, the same on every rank; plain where none is given.</param>
    /// <param name="refused">Hears of each connection that is turned away.</param>
    /// <exception cref="SocketException">The address is not this machine's.</exception>
    public static TcpMesh Listen(IPAddress address, IConnectionSecurity? security = null, Action<Refusal>? refused = null) =>
        Listen(address, security, refused, RunningKernel.Identity);

    /// <summary>The same for a rank that takes those alone for ranks of its host who say the same of theirs.</summary>
    internal static TcpMesh Listen(IPAddress address, IConnectionSecurity? security, Action<Refusal>? refused, byte[] host) =>
        new(address, security ?? PlainConnections.Instance, refused ?? (static _ => { }), host);

    /// <summary>Joins the other ranks of a generation: connects to every lower rank and accepts every higher one.</summary>
    /// <param name="rank">This process's rank.</param>
    /// <param name="endpoints">Every rank's listener, in rank order; their number is the world's size.</param>
    /// <param name="generation">Connections of another generation are turned away.</param>
    /// <param name="token">The run's 16 bytes; connections without it are turned away.</param>
    /// <param name="connectPatience">How long the whole forming may take.</param>
    /// <param name="operationPatience">How long the collective's operations wait for a peer.</param>
    /// <param name="shared">Whether ranks of one host go on through shared memory; the same on every rank.</param>
    /// <param name="cancellation">Gives the forming up.</param>
    /// <exception cref="CollectiveException">Ranks did not come in time (the message names them), or this mesh was disposed.</exception>
    public ICollective Connect(
        Rank rank,
        IReadOnlyList<(string Host, int Port)> endpoints,
        long generation,
        ReadOnlyMemory<byte> token,
        TimeSpan connectPatience,
        TimeSpan operationPatience,
        bool shared = true,
        CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rank.Value);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(rank.Value, endpoints.Count);
        ObjectDisposedException.ThrowIf(closing.IsCancellationRequested, this);
        var forming = new MeshForming(security, rank, endpoints, new MeshHello(generation, token.Span));
        if (endpoints.Count == 1)
        {
            return new SoloCollective();
        }

        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(closing.Token, cancellation);
        deadline.CancelAfter(connectPatience);
        using (formings.Begin(forming))
        {
            Await(forming, connectPatience, deadline.Token, cancellation);
        }

        return Join(rank, forming.Seats.Peers(operationPatience), shared);
    }

    /// <summary>Closes the listener. A <see cref="Connect"/> under way fails; collectives that were made live on.</summary>
    public void Dispose()
    {
        closing.Cancel();
        listener.Dispose();
    }

    private Collective Join(Rank rank, TcpPeer?[] peers, bool shared)
    {
        if (!shared) return new MeshCollective(rank, peers, null, spansHosts: true, new WorldSize(peers.Length));
        try
        {
            using var handover = new SharedHandover(peers, host);
            var (links, segment, hosts) = handover.Run(rank);
            return hosts.AreShared
                ? ByHosts(rank, links, segment, hosts)
                : new MeshCollective(rank, links, segment, hosts.AreSeveral, new WorldSize(links.Length));
        }
        catch
        {
            Array.ForEach(peers, static peer => peer?.Dispose());
            throw;
        }
    }

    /// <summary>A host's ranks among themselves, and the hosts' first ranks: no other connection is needed.</summary>
    private static HierarchicalCollective ByHosts(Rank rank, PeerLink?[] links, IDisposable? segment, MeshHosts hosts)
    {
        var mesh = new WorldSize(links.Length);
        var firsts = hosts.Firsts.ToList();
        var host = firsts.FindLastIndex(first => first <= rank.Value);
        var within = Renumbered(links[firsts[host]..(firsts[host] + hosts.Ranks[host])]);
        var isLeader = firsts[host] == rank.Value;
        var between = isLeader ? Renumbered([.. firsts.Select(first => links[first])]) : [];
        foreach (var link in links.Except(within).Except(between))
        {
            link?.Dispose();
        }

        return new HierarchicalCollective(
            rank,
            hosts.Ranks,
            within.Length == 1 ? new SoloCollective() : new MeshCollective(new Rank(rank.Value - firsts[host]), within, segment, spansHosts: false, mesh),
            isLeader ? new MeshCollective(new Rank(host), between, null, spansHosts: true, mesh) : null);
    }

    private static PeerLink?[] Renumbered(PeerLink?[] links)
    {
        for (var rank = 0; rank < links.Length; rank++)
        {
            links[rank]?.Renumber(new Rank(rank));
        }

        return links;
    }

    private void Await(MeshForming forming, TimeSpan patience, CancellationToken deadline, CancellationToken cancellation)
    {
        var formed = false;
        try
        {
            // On the pool, so that no continuation waits for this thread.
            Task.Run(() => forming.RunAsync(deadline), CancellationToken.None).GetAwaiter().GetResult();
            formed = true;
        }
        catch (Exception e) when (closing.IsCancellationRequested && e is (OperationCanceledException or InvalidOperationException))
        {
            // Whichever is seen first: that it is to end, or that the listener does not listen any more.
            throw new CollectiveException("the listener was closed while the ranks were connecting", inner: e);
        }
        catch (OperationCanceledException e) when (cancellation.IsCancellationRequested)
        {
            throw new CollectiveException("the forming was given up", inner: e);
        }
        catch (OperationCanceledException e)
        {
            throw NotFormed(forming, patience, e);
        }
        finally
        {
            if (!formed)
            {
                forming.Seats.CloseAll();
            }
        }
    }

    private static CollectiveException NotFormed(MeshForming forming, TimeSpan patience, Exception cause)
    {
        var missing = forming.Seats.Missing;
        return new CollectiveException(
            $"no connection within {patience.TotalSeconds:0.#} s with {forming.DescribeMissing()}",
            missing.Count > 0 ? missing[0] : null,
            cause);
    }
}
