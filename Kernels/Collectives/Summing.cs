namespace CnnCluster.Kernels.Collectives;

/// <summary>A sum under way: this rank's rows, each <paramref name="length"/> elements, and how they are cut.</summary>
internal readonly unsafe ref struct Summing<T>(
    Operation operation, LeafDeal leaves, Span<T> rows, int length, Reduction reduction, int block)
    where T : unmanaged
{
    private readonly Span<T> rows = rows;

    public Operation Operation => operation;

    public LeafDeal Leaves => leaves;

    public int Length => length;

    public Reduction Reduction => reduction;

    /// <summary>Elements of a row in one message.</summary>
    public int Block => block;

    /// <summary>A stretch of each row.</summary>
    public Pieces Rows((int Start, int Length) stretch, int count)
    {
        fixed (T* first = rows)
        {
            return new Pieces((nint)(first + stretch.Start), count, stretch.Length * sizeof(T), (nint)length * sizeof(T));
        }
    }
}
