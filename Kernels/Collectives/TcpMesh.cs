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
    private const int Backlog = 512;
    private readonly TcpListener listener;
    private readonly IConnectionSecurity security;
    private readonly GuardedListener guarded;
    private readonly CancellationTokenSource closing = new();

    private TcpMesh(IPAddress address, IConnectionSecurity security, Action<Refusal> refused)
    {
        this.security = security;
        listener = new TcpListener(address, 0);
        listener.Start(Backlog);
        Port = ((IPEndPoint)listener.LocalEndpoint).Port;
        guarded = new GuardedListener(listener, security, "a worker's data plane", refused);
    }

    public int Port { get; }

    /// <summary>Listens on an address, at a port that the system gives; peers can connect from now on.</summary>
    /// <param name="address">One of this machine's.</param>
    /// <param name="security">How connections are opened, the same on every rank; plain where none is given.</param>
    /// <param name="refused">Hears of each connection that is turned away.</param>
    /// <exception cref="SocketException">The address is not this machine's.</exception>
    public static TcpMesh Listen(IPAddress address, IConnectionSecurity? security = null, Action<Refusal>? refused = null) =>
        new(address, security ?? PlainConnections.Instance, refused ?? (static _ => { }));

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
        var forming = new MeshForming(guarded, security, rank, endpoints, new MeshHello(generation, token.Span));
        if (endpoints.Count == 1)
        {
            return new SoloCollective();
        }

        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(closing.Token, cancellation);
        deadline.CancelAfter(connectPatience);
        Await(forming, connectPatience, deadline.Token, cancellation);
        return Join(rank, forming.Seats.Peers(operationPatience), shared);
    }

    /// <summary>Closes the listener. A <see cref="Connect"/> under way fails; collectives that were made live on.</summary>
    public void Dispose()
    {
        closing.Cancel();
        listener.Dispose();
    }

    private static MeshCollective Join(Rank rank, TcpPeer?[] peers, bool shared)
    {
        if (!shared) return new MeshCollective(rank, peers, null);
        try
        {
            using var handover = new SharedHandover(peers);
            var (links, segment) = handover.Run(rank);
            return new MeshCollective(rank, links, segment);
        }
        catch
        {
            Array.ForEach(peers, static peer => peer?.Dispose());
            throw;
        }
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
