using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace CnnCluster.Trainer.Security;

/// <summary>
/// A cluster's own certificate authority: whoever has a certificate of it is a member, and nobody else. Keys are
/// ECDSA over P-256 (FIPS 186-5), certificates X.509 (RFC 5280).
/// </summary>
public sealed class CertificateAuthority : IDisposable
{
    private const string ServerPurpose = "1.3.6.1.5.5.7.3.1";
    private const string ClientPurpose = "1.3.6.1.5.5.7.3.2";
    private const int SerialBytes = 16;
    private const double AuthorityDays = 3650;

    /// <summary>How far another host's clock may be behind when a certificate is first used.</summary>
    private static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(10);

    private readonly X509Certificate2 certificate;

    private CertificateAuthority(X509Certificate2 certificate) => this.certificate = certificate;

    /// <summary>Makes an authority, valid for ten years or for as long as its nodes, whichever is longer.</summary>
    public static CertificateAuthority Create(DateTimeOffset now, int nodeDays)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var name = $"CN=cnn cluster {Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4))}";
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        var days = Math.Max(AuthorityDays, nodeDays + 1);
        return new CertificateAuthority(request.CreateSelfSigned(now - ClockSkew, now.AddDays(days)));
    }

    /// <summary>Reads the authority from its folder.</summary>
    /// <exception cref="UserException">A file is missing, cannot be read, or does not fit the other.</exception>
    public static CertificateAuthority Read(string folder) =>
        new(PemPair.Read(folder, CertificateFiles.Authority, CertificateFiles.AuthorityKey));

    /// <summary>Writes the authority's certificate and key.</summary>
    public void Write(string folder)
    {
        using var key = certificate.GetECDsaPrivateKey()!;
        CertificateFiles.Write(folder, CertificateFiles.Authority, certificate.ExportCertificatePem());
        CertificateFiles.WriteKey(folder, CertificateFiles.AuthorityKey, key.ExportPkcs8PrivateKeyPem());
    }

    /// <summary>Writes a node's certificate and key, and the authority's certificate, which is all that a node needs.</summary>
    /// <exception cref="UserException">The authority itself is not valid for so long.</exception>
    public void WriteNode(string folder, NodeNames names, DateTimeOffset now, int days)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var node = Sign(names, key, now, now.AddDays(days));
        CertificateFiles.Write(folder, CertificateFiles.Authority, certificate.ExportCertificatePem());
        CertificateFiles.Write(folder, CertificateFiles.Node, node.ExportCertificatePem());
        CertificateFiles.WriteKey(folder, CertificateFiles.NodeKey, key.ExportPkcs8PrivateKeyPem());
    }

    public void Dispose() => certificate.Dispose();

    private X509Certificate2 Sign(NodeNames names, ECDsa key, DateTimeOffset now, DateTimeOffset end)
    {
        if (end > certificate.NotAfter)
        {
            throw new UserException($"The cluster's authority is valid until {certificate.NotAfter:yyyy-MM-dd} only: no node's certificate can be valid until {end:yyyy-MM-dd}.");
        }

        // Whom a certificate is for stands in its alternative names alone (RFC 9525): the subject's own name has a limit.
        var request = new CertificateRequest("CN=cnn node", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(ServerPurpose), new Oid(ClientPurpose)], critical: false));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(certificate, true, false));
        request.CertificateExtensions.Add(names.ToExtension());
        var start = now - ClockSkew;
        var earliest = new DateTimeOffset(certificate.NotBefore);
        return request.Create(certificate, start > earliest ? start : earliest, end, RandomNumberGenerator.GetBytes(SerialBytes));
    }
}
