using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace CnnCluster.Trainer.Security;

/// <summary>Who this node is, and whom it trusts: its certificate with its key, and the authority of its cluster.</summary>
public sealed class ClusterIdentity : IDisposable
{
    private readonly X509Certificate2 authority;

    private ClusterIdentity(X509Certificate2 authority, X509Certificate2 certificate) =>
        (this.authority, Certificate) = (authority, certificate);

    /// <summary>This node's certificate, with its key.</summary>
    public X509Certificate2 Certificate { get; }

    /// <summary>Reads a node's folder, and refuses here what every peer would refuse later.</summary>
    /// <exception cref="UserException">A file is missing or unreadable; the certificate is expired, or of another authority.</exception>
    public static ClusterIdentity Read(string folder, DateTimeOffset now)
    {
        var identity = ReadFiles(folder);
        try
        {
            identity.Check(Path.Combine(folder, CertificateFiles.Node), now);
            return identity;
        }
        catch
        {
            identity.Dispose();
            throw;
        }
    }

    /// <summary>Reads a node's folder as it is.</summary>
    /// <exception cref="UserException">A file is missing, cannot be read, or does not fit the other.</exception>
    public static ClusterIdentity ReadFiles(string folder)
    {
        try
        {
            var authority = X509Certificate2.CreateFromPem(CertificateFiles.Read(folder, CertificateFiles.Authority));
            return new ClusterIdentity(authority, PemPair.Read(folder, CertificateFiles.Node, CertificateFiles.NodeKey));
        }
        catch (CryptographicException e)
        {
            throw new UserException($"{Path.Combine(folder, CertificateFiles.Authority)} is no certificate: {e.Message}", e);
        }
    }

    /// <summary>How peers are judged: by the cluster's authority alone, whatever the system trusts, without asking the network.</summary>
    public X509ChainPolicy PeerPolicy()
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.Add(authority);
        return policy;
    }

    public void Dispose()
    {
        authority.Dispose();
        Certificate.Dispose();
    }

    private void Check(string path, DateTimeOffset now)
    {
        if (now > Certificate.NotAfter) throw new UserException($"{path} has expired on {Certificate.NotAfter:yyyy-MM-dd}: 'cnn cert node' makes a new one.");
        if (now < Certificate.NotBefore) throw new UserException($"{path} is valid from {Certificate.NotBefore:yyyy-MM-dd HH:mm} only: is this machine's clock right?");
        using var chain = new X509Chain { ChainPolicy = PeerPolicy() };
        chain.ChainPolicy.VerificationTime = now.LocalDateTime;
        if (!chain.Build(Certificate))
        {
            throw new UserException($"{path} is not a certificate of the authority in {CertificateFiles.Authority} beside it: {string.Join("; ", chain.ChainStatus.Select(static s => s.StatusInformation.Trim()))}");
        }
    }
}
