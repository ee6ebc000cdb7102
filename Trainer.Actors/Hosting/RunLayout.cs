namespace CnnCluster.Trainer.Hosting;

/// <summary>How a run is spread out.</summary>
/// <param name="Workers">Workers in each process, at least 1.</param>
/// <param name="Processes">Local worker processes to start; 0 lets this process do the work.</param>
/// <param name="Devices">What the workers take in turn.</param>
/// <param name="Threads">Intra-op threads of each worker.</param>
public sealed record RunLayout(int Workers, int Processes, IReadOnlyList<string> Devices, int Threads)
{
    public int World => Workers * Math.Max(Processes, 1);

    /// <summary>The devices of one process's workers.</summary>
    public IReadOnlyList<string> DevicesFrom(int firstSlot) =>
        [.. Enumerable.Range(firstSlot, Workers).Select(slot => Devices[slot % Devices.Count])];

    /// <summary>Shares this machine's cores out among the workers, one thread each at least.</summary>
    public static int ThreadsFor(int world) => Math.Max(1, Environment.ProcessorCount / world);
}
