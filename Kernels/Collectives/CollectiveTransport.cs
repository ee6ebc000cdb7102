namespace CnnCluster.Kernels.Collectives;

/// <summary>How the ranks of a collective reach each other.</summary>
public enum CollectiveTransport
{
    /// <summary>There is one rank.</summary>
    None,

    /// <summary>They are threads of one process, in each other's memory.</summary>
    Threads,

    /// <summary>They are processes of one host, which share memory.</summary>
    SharedMemory,

    /// <summary>Each by itself, over TCP.</summary>
    Tcp,

    /// <summary>Each host's ranks among themselves, and the hosts' first ranks over TCP.</summary>
    Hierarchical,
}
