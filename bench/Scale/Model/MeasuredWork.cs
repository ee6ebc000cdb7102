namespace CnnCluster.Bench.Scale.Model;

/// <summary>What a rank does in the operations that were measured, as runs have them.</summary>
internal static class MeasuredWork
{
    public static Work Of(LinkPoint point) =>
        point.Link == LinkKind.Threads ? OfThreads(point) : OfMesh(point);

    /// <summary>
    /// Threads read and write each other's buffers: no message is sent, and every operation has two meetings, in which all wait for
    /// the last. What they write for others counts as sent.
    /// </summary>
    private static Work OfThreads(LinkPoint point)
    {
        double bytes = point.Bytes;
        var part = bytes * (point.World - 1) / point.World;
        return point.Operation switch
        {
            MeasuredOperation.AllReduce => new Work(2, 0, part, part),
            MeasuredOperation.Rounded => new Work(4, 0, bytes, part, bytes),
            MeasuredOperation.ReduceScatter => new Work(2, 0, 0, part),
            MeasuredOperation.AllGather => new Work(2, 0, bytes, 0),
            _ => new Work(1, 0, 0, 0),
        };
    }

    private static Work OfMesh(LinkPoint point)
    {
        var (world, bytes) = (point.World, (double)point.Bytes);
        var network = point.Link != LinkKind.SharedMemory;
        var chunks = Algorithm.Chunks.Of(world, bytes, network);
        return point.Operation switch
        {
            MeasuredOperation.AllReduce => Algorithm.OfRuns(world, bytes, rounded: false, network).Of(world, bytes, network),
            MeasuredOperation.Rounded => Algorithm.Chunks.Of(world, bytes, network, rounded: true),
            MeasuredOperation.ReduceScatter => chunks with { Rounds = 1, Messages = chunks.Messages / 2, Sent = chunks.Sent / 2 },
            MeasuredOperation.AllGather => chunks with { Rounds = 1, Messages = chunks.Messages / 2, Sent = chunks.Sent / 2, Summed = 0 },
            _ => new Work(Math.Ceiling(Math.Log2(world)), Math.Ceiling(Math.Log2(world)), 0, 0),
        };
    }
}
