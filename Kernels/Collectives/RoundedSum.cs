namespace CnnCluster.Kernels.Collectives;

/// <summary>The memory of a sum whose numbers travel in 16 bits; kept from one sum to the next.</summary>
internal sealed class RoundedSum : IDisposable
{
    private readonly NativeScratch whole = new();
    private readonly NativeScratch parts = new();
    private readonly NativeScratch expanded = new();
    private nint[] rows = [];
    private int[] chunks = [];

    /// <summary>How long each rank's chunk of a buffer is, until the next call.</summary>
    public IReadOnlyList<int> Chunks(int world, int length)
    {
        if (chunks.Length != world) chunks = new int[world];
        for (var rank = 0; rank < world; rank++)
        {
            chunks[rank] = Collectives.Chunks.Of(rank, world, length).Length;
        }

        return chunks;
    }

    /// <summary>Numbers of 16 bits for a whole buffer.</summary>
    public unsafe Span<ushort> Whole(int length) => new((void*)whole.Take(length * sizeof(ushort)), length);

    /// <summary>And for every rank's part of a chunk, one behind the other.</summary>
    public unsafe Span<ushort> Parts(int world, int chunk) => new((void*)parts.Take(checked(world * chunk * sizeof(ushort))), world * chunk);

    /// <summary>The sum of the ranks' parts along their tree, in float32.</summary>
    public unsafe Span<float> Sum(LeafDeal leaves, WireFormat format, ReadOnlySpan<ushort> received, int chunk)
    {
        var values = new Span<float>((void*)expanded.Take(checked(received.Length * sizeof(float))), received.Length);
        Wire.Expand(format, received, values);
        if (rows.Length != leaves.Leaves) rows = new nint[leaves.Leaves];
        for (var rank = 0; rank < rows.Length; rank++)
        {
            rows[rank] = expanded.Take(0) + (nint)((long)rank * chunk * sizeof(float));
        }

        var sum = values[..chunk];
        SumTree.Reduce(Reduction.Sum, leaves.Leaves, leaves.Nodes, rows, sum);
        return sum;
    }

    public void Dispose()
    {
        whole.Dispose();
        parts.Dispose();
        expanded.Dispose();
    }
}
