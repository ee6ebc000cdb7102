namespace CnnCluster.Kernels.Collectives;

/// <summary>Neighbouring leaves of a sum's tree: those from <paramref name="From"/> up to, not including, <paramref name="To"/>.</summary>
/// <param name="From">The first leaf's number, from 0.</param>
/// <param name="To">One past the last; equal to <paramref name="From"/> where there is none.</param>
public readonly record struct LeafRange(int From, int To)
{
    public int Count => To - From;

    /// <summary>Whether these are leaves of a tree of so many.</summary>
    public bool IsWithin(int leaves) => From >= 0 && From <= To && To <= leaves;

    public override string ToString() => Count == 0 ? "no leaf" : $"leaves {From} to {To - 1}";
}
