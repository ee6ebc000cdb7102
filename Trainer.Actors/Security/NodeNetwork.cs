using System.Net;
using System.Net.Sockets;
using CnnCluster.Kernels.Collectives;

namespace CnnCluster.Trainer.Security;

/// <summary>Where a process is found by the others of its run, and how they open connections to it: loopback and plain, or with certificates.</summary>
public sealed class NodeNetwork : IDisposable
{
    private NodeNetwork(IPAddress bind, string host, string? certificates, ClusterIdentity? identity)
    {
        (Bind, Host, Certificates, Identity) = (bind, host, certificates, identity);
        Security = identity is null ? PlainConnections.Instance : new MutualTls(identity);
    }

    /// <summary>The address to listen at.</summary>
    public IPAddress Bind { get; }

    /// <summary>The name or address that others reach this process by; its certificate is for it.</summary>
    public string Host { get; }

    /// <summary>The folder of this node's certificates; null without.</summary>
    public string? Certificates { get; }

    /// <summary>Who this node is; null on loopback, where connections are plain.</summary>
    public ClusterIdentity? Identity { get; }

    /// <summary>How connections are opened.</summary>
    public IConnectionSecurity Security { get; }

    /// <summary>Hears of each connection to the control plane, and each message, that is turned away.</summary>
    public Action<Refusal> Refused { get; set; } = static _ => { };

    /// <summary>This machine alone, without certificates.</summary>
    public static NodeNetwork Loopback() => new(IPAddress.Loopback, IPAddress.Loopback.ToString(), null, null);

    /// <param name="bind">The address to listen at; null for that of the host, where it is this machine's, else all of them.</param>
    /// <param name="host">The name or address that others reach this process by.</param>
    /// <param name="certificates">The folder that <c>cnn cert</c> made for this node; null for loopback without.</param>
    /// <exception cref="UserException">Certificates are needed and missing, cannot be used, or are not for this host.</exception>
    public static NodeNetwork Open(IPAddress? bind, string host, string? certificates)
    {
        var address = bind ?? AddressOf(host);
        if (certificates is null)
        {
            return IPAddress.IsLoopback(address)
                ? new NodeNetwork(address, host, null, null)
                : throw new UserException(
                    $"{host} is reached from other machines, and connections there need certificates: 'cnn cert init --host {host}' makes them, and --cert DIR takes this node's folder.");
        }

        var identity = ClusterIdentity.Read(certificates, DateTimeOffset.Now);
        if (identity.Certificate.MatchesHostname(host)) return new NodeNetwork(address, host, Path.GetFullPath(certificates), identity);
        identity.Dispose();
        throw new UserException($"The certificate in {certificates} is not for {host}, which others would reach this node by: 'cnn cert node --host {host}' makes one, and --host NAME says another name.");
    }

    /// <summary>A process that is found at the address from which another is reached.</summary>
    /// <exception cref="UserException">There is no way to it, or the certificates cannot be used.</exception>
    public static NodeNetwork Towards(DnsEndPoint other, string? certificates)
    {
        var address = AddressTowards(other);
        return Open(address, address.ToString(), certificates);
    }

    private static IPAddress AddressTowards(DnsEndPoint other)
    {
        try
        {
            using var socket = new Socket(SocketType.Dgram, ProtocolType.Udp);
            socket.Connect(other.Host, other.Port);
            var address = ((IPEndPoint)socket.LocalEndPoint!).Address;
            return address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        }
        catch (SocketException e)
        {
            throw new UserException($"There is no way to {other.Host}: {e.Message}", e);
        }
    }

    public void Dispose() => Identity?.Dispose();

    /// <summary>A name that means this machine by loopback alone is loopback; others may come by any of its addresses.</summary>
    private static IPAddress AddressOf(string host)
    {
        try
        {
            return IPAddress.TryParse(host, out var address) ? address
                : Dns.GetHostAddresses(host).All(IPAddress.IsLoopback) ? IPAddress.Loopback
                : IPAddress.Any;
        }
        catch (SocketException e)
        {
            throw new UserException($"{host} is no name or address that is known here: {e.Message}", e);
        }
    }
}
