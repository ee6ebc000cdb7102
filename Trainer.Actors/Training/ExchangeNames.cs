using CnnCluster.Kernels.Collectives;
using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Training;

/// <summary>How gradients travel between workers, as kernels, messages, events and users say it.</summary>
public static class ExchangeNames
{
    public static Exchange Of(CollectiveTransport transport) => transport switch
    {
        CollectiveTransport.None => Exchange.Alone,
        CollectiveTransport.Threads => Exchange.Threads,
        CollectiveTransport.SharedMemory => Exchange.SharedMemory,
        CollectiveTransport.Tcp => Exchange.Tcp,
        CollectiveTransport.Hierarchical => Exchange.Hierarchical,
        _ => throw new ArgumentOutOfRangeException(nameof(transport), transport, "No such transport."),
    };

    /// <summary>As events have it.</summary>
    public static string Name(Exchange exchange) => exchange switch
    {
        Exchange.Alone => "none",
        Exchange.Threads => "threads",
        Exchange.SharedMemory => "shared-memory",
        Exchange.Tcp => "tcp",
        Exchange.Hierarchical => "hierarchical",
        _ => throw new ArgumentOutOfRangeException(nameof(exchange), exchange, "No such exchange."),
    };

    /// <summary>Whether gradients go from host to host, where they may become something else on the way.</summary>
    public static bool IsBetweenHosts(Exchange exchange) => exchange is Exchange.Tcp or Exchange.Hierarchical;

    /// <summary>In a sentence, as "gradients travel …"; null for one worker, whose gradients stay where they are.</summary>
    public static string? Text(Exchange exchange, Wire wire)
    {
        var rounded = wire == Wire.Unchanged ? "" : $", as {WireNames.Name(wire)} between hosts";
        return exchange switch
        {
            Exchange.Alone => null,
            Exchange.Threads => "between threads, in each other's memory",
            Exchange.SharedMemory => "through shared memory",
            Exchange.Tcp => $"over TCP{rounded}",
            Exchange.Hierarchical => $"through shared memory within each host, and over TCP between the hosts' first workers{rounded}",
            _ => throw new ArgumentOutOfRangeException(nameof(exchange), exchange, "No such exchange."),
        };
    }
}
