namespace CnnCluster.Kernels.Collectives;

/// <summary>What a rank brings to an operation between threads: where its memory lies.</summary>
/// <param name="Operation">The operation.</param>
/// <param name="ElementSize">The size of an element in bytes.</param>
/// <param name="Length">The operation's length in elements, the same on every rank.</param>
/// <param name="Input">What the others read.</param>
/// <param name="Output">What the others write.</param>
internal readonly record struct Entry(string Operation, int ElementSize, int Length, nint Input, nint Output)
{
    public bool IsOfOneOperationWith(Entry other) =>
        Length == other.Length && ElementSize == other.ElementSize && string.Equals(Operation, other.Operation, StringComparison.Ordinal);

    public override string ToString() => $"{Operation} of {Length} elements of {ElementSize} bytes";
}
