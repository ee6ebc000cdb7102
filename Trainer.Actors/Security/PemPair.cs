using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace CnnCluster.Trainer.Security;

/// <summary>A certificate and its key, from two PEM files of a folder.</summary>
internal static class PemPair
{
    /// <exception cref="UserException">A file is missing, cannot be read, or does not fit the other.</exception>
    public static X509Certificate2 Read(string folder, string certificate, string key)
    {
        var (publicText, secretText) = (CertificateFiles.Read(folder, certificate), CertificateFiles.Read(folder, key));
        try
        {
            return Usable(X509Certificate2.CreateFromPem(publicText, secretText));
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new UserException($"{Path.Combine(folder, certificate)} and {key} are not a certificate and its key: {e.Message}", e);
        }
    }

    /// <summary>Windows' TLS takes only keys that are in a key store, where reading them from PKCS #12 puts them.</summary>
    private static X509Certificate2 Usable(X509Certificate2 certificate)
    {
        if (!OperatingSystem.IsWindows()) return certificate;
        using (certificate)
        {
            return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null);
        }
    }
}
