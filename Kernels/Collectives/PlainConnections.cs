namespace CnnCluster.Kernels.Collectives;

/// <summary>Connections as the socket gives them: for loopback, where what is on the wire stays in this machine.</summary>
public sealed class PlainConnections : IConnectionSecurity
{
    public static readonly PlainConnections Instance = new();

    private PlainConnections()
    {
    }

    public Task<Stream> AcceptAsync(SocketStream connection, CancellationToken cancellation) => Task.FromResult<Stream>(connection);

    public Task<Stream> ConnectAsync(SocketStream connection, string host, CancellationToken cancellation) => Task.FromResult<Stream>(connection);
}
