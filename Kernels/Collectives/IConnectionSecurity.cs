namespace CnnCluster.Kernels.Collectives;

/// <summary>What stands between a fresh connection and its first byte: nothing on loopback, mutual TLS between hosts.</summary>
/// <remarks>
/// A stream that is returned owns the connection; where none is returned, the caller still has to close it. Its
/// blocking calls keep to its time-outs, one thread may read while another writes, and closing the socket ends both.
/// </remarks>
public interface IConnectionSecurity
{
    /// <summary>The accepting side.</summary>
    /// <param name="connection">One that was accepted.</param>
    /// <param name="cancellation">Bounds the handshake.</param>
    /// <exception cref="IOException">The other side did not show what it must, or broke off.</exception>
    /// <exception cref="OperationCanceledException">Not in time.</exception>
    Task<Stream> AcceptAsync(SocketStream connection, CancellationToken cancellation);

    /// <summary>The connecting side.</summary>
    /// <param name="connection">One that was made.</param>
    /// <param name="host">The name or address that it was made to, which the other side must prove to be.</param>
    /// <param name="cancellation">Bounds the handshake.</param>
    /// <exception cref="IOException">The other side did not show what it must, or broke off.</exception>
    /// <exception cref="OperationCanceledException">Not in time.</exception>
    Task<Stream> ConnectAsync(SocketStream connection, string host, CancellationToken cancellation);
}
