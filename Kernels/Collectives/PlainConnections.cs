using System.Net.Sockets;

namespace CnnCluster.Kernels.Collectives;

/// <summary>Connections as the socket gives them: for loopback, where what is on the wire stays in this machine.</summary>
public sealed class PlainConnections : IConnectionSecurity
{
    public static readonly PlainConnections Instance = new();

    private PlainConnections()
    {
    }

    public Task<Stream> AcceptAsync(Socket socket, CancellationToken cancellation) => Open(socket);

    public Task<Stream> ConnectAsync(Socket socket, string host, CancellationToken cancellation) => Open(socket);

    private static Task<Stream> Open(Socket socket) => Task.FromResult<Stream>(new SocketStream(socket));
}
