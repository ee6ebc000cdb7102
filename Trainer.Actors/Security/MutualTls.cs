using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using CnnCluster.Kernels.Collectives;

namespace CnnCluster.Trainer.Security;

/// <summary>
/// Connections that both sides open with a certificate of the cluster's authority; the connecting side also checks
/// that the other's is for the host that it connected to.
/// </summary>
public sealed class MutualTls(ClusterIdentity identity) : IConnectionSecurity
{
    private const SslProtocols Versions = SslProtocols.Tls12 | SslProtocols.Tls13;

    private readonly SslStreamCertificateContext own = SslStreamCertificateContext.Create(identity.Certificate, null, offline: true);

    public Task<Stream> AcceptAsync(SocketStream connection, CancellationToken cancellation) => OpenAsync(connection, stream =>
        stream.AuthenticateAsServerAsync(
            new SslServerAuthenticationOptions
            {
                ServerCertificateContext = own,
                ClientCertificateRequired = true,
                CertificateChainPolicy = identity.PeerPolicy(),
                CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                EnabledSslProtocols = Versions,
                AllowRenegotiation = false,

                // A resumed session would not show its certificate again, and so outlive its validity.
                AllowTlsResume = false,
            },
            cancellation));

    public Task<Stream> ConnectAsync(SocketStream connection, string host, CancellationToken cancellation) => OpenAsync(connection, stream =>
        stream.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = host,
                ClientCertificateContext = own,
                CertificateChainPolicy = identity.PeerPolicy(),
                CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                EnabledSslProtocols = Versions,
                AllowRenegotiation = false,
                AllowTlsResume = false,
            },
            cancellation));

    private static async Task<Stream> OpenAsync(SocketStream connection, Func<SslStream, Task> authenticate)
    {
        var stream = new SslStream(connection);
        try
        {
            await authenticate(stream);
            return stream;
        }
        catch (AuthenticationException e)
        {
            await stream.DisposeAsync();
            throw new IOException($"the certificates did not agree: {e.GetBaseException().Message}", e);
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }
}
