namespace CnnCluster.Kernels.Collectives;

/// <summary>Pieces of memory of one length at equal distances, as the rows of a matrix have them.</summary>
/// <param name="First">Where the first begins, in memory that does not move.</param>
/// <param name="Count">How many; 0 for nothing.</param>
/// <param name="Length">Each piece's bytes.</param>
/// <param name="Stride">Bytes from one's beginning to the next one's.</param>
internal readonly record struct Pieces(nint First, int Count, int Length, nint Stride)
{
    public static Pieces None => default;

    public int Bytes => Count * Length;

    public static unsafe Pieces Of<T>(Span<T> memory)
        where T : unmanaged
    {
        fixed (T* first = memory)
        {
            return new Pieces((nint)first, 1, memory.Length * sizeof(T), 0);
        }
    }

    public unsafe ReadOnlySpan<byte> this[int piece] => new((byte*)First + (piece * Stride), Length);

    /// <summary>Puts them one behind the other.</summary>
    public void CopyTo(Span<byte> destination)
    {
        for (var piece = 0; piece < Count; piece++)
        {
            this[piece].CopyTo(destination[(piece * Length)..]);
        }
    }
}
