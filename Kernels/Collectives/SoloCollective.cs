namespace CnnCluster.Kernels.Collectives;

/// <summary>The collective of a world of one: every rank's values are this one's.</summary>
public sealed class SoloCollective() : Collective(new Rank(0), new WorldSize(1))
{
    private protected override void Reduce<T>(LeafDeal leaves, Span<T> rows, Span<T> result, Reduction reduction) => rows.CopyTo(result);

    private protected override void ReduceScatter<T>(Span<T> buffer, Span<T> part) => buffer.CopyTo(part);

    private protected override void Deliver<T>(Span<T> buffer, Span<T> parts) => buffer.CopyTo(parts);

    private protected override void AllGather<T>(Span<T> part, IReadOnlyList<int> lengths, Span<T> whole) => part.CopyTo(whole);

    private protected override void Broadcast<T>(Span<T> buffer, Rank root)
    {
    }

    private protected override void Meet()
    {
    }

    private protected override void Break(string reason)
    {
    }

    private protected override void Settle()
    {
    }

    private protected override void Release()
    {
    }
}
