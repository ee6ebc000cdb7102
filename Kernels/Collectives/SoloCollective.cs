namespace CnnCluster.Kernels.Collectives;

/// <summary>The collective of a world of one: every rank's values are this one's.</summary>
public sealed class SoloCollective() : Collective(new Rank(0), new WorldSize(1))
{
    public override CollectiveTransport Transport => CollectiveTransport.None;

    internal override void Reduce<T>(LeafDeal leaves, Span<T> rows, Span<T> result, Reduction reduction) => rows.CopyTo(result);

    internal override void ReduceScatter<T>(Span<T> buffer, Span<T> part) => buffer.CopyTo(part);

    internal override void Deliver<T>(Span<T> buffer, Span<T> parts) => buffer.CopyTo(parts);

    internal override void AllGather<T>(Span<T> part, IReadOnlyList<int> lengths, Span<T> whole) => part.CopyTo(whole);

    internal override void Broadcast<T>(Span<T> buffer, Rank root)
    {
    }

    internal override void Meet()
    {
    }

    internal override void Break(string reason)
    {
    }

    internal override void Settle()
    {
    }

    internal override void Release()
    {
    }
}
