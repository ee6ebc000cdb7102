using System.Net;
using System.Security.Cryptography.X509Certificates;

namespace CnnCluster.Trainer.Security;

/// <summary>What a node is reached by: host names and addresses, all of them in its certificate; the first names its folder.</summary>
public sealed class NodeNames
{
    private NodeNames(IReadOnlyList<string> all) => All = all;

    public IReadOnlyList<string> All { get; }

    public string First => All[0];

    /// <summary>The folder's name; an IPv6 address's colons mean something else on some file systems.</summary>
    public string Folder => First.Replace(':', '-');

    /// <summary>Reads names that commas separate.</summary>
    /// <exception cref="UserException">One is neither a host name nor an address.</exception>
    public static NodeNames Parse(string text)
    {
        string[] names = [.. text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Distinct(StringComparer.OrdinalIgnoreCase)];
        if (names.Length == 0) throw new UserException("--host takes a host name or an address; it is empty.");
        return Array.Find(names, static name => Uri.CheckHostName(name) is UriHostNameType.Unknown or UriHostNameType.Basic) is { } wrong
            ? throw new UserException($"--host takes host names and addresses; '{wrong}' is neither.")
            : new NodeNames(names);
    }

    internal X509Extension ToExtension()
    {
        var builder = new SubjectAlternativeNameBuilder();
        foreach (var name in All)
        {
            if (IPAddress.TryParse(name, out var address)) builder.AddIpAddress(address);
            else builder.AddDnsName(name);
        }

        return builder.Build();
    }
}
