using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Collectives;

// The way from tensors of any device and either type to elements in memory.
public abstract partial class Collective
{
    private void Reduce(LeafDeal leaves, Tensor rows, Tensor result, Reduction reduction)
    {
        using var source = new HostTensor(rows);
        using var target = ReferenceEquals(rows, result) ? default : new HostTensor(result);
        var written = ReferenceEquals(rows, result) ? source : target;
        if (HostTensor.IsSingle(result)) Reduce(leaves, source.Elements<float>(), written.Elements<float>(), reduction);
        else Reduce(leaves, source.Elements<double>(), written.Elements<double>(), reduction);
        written.Store();
    }

    private void Mean(Tensor buffer, double weight)
    {
        using var gradless = no_grad();
        using var own = weight.ToScalar();
        if (weight == 0) buffer.zero_();
        else buffer.mul_(own);
        Reduce(OneEach, buffer, buffer, Reduction.Sum);
        Span<double> total = [weight];
        Reduce(OneEach, total, total, Reduction.Sum);
        if (total[0] == 0) throw new CollectiveException("the mean's weights are 0 on all ranks");
        using var whole = total[0].ToScalar();
        buffer.div_(whole);
    }

    private void Scatter(Tensor buffer, Tensor part)
    {
        using var source = new HostTensor(buffer);
        using var target = new HostTensor(part);
        if (HostTensor.IsSingle(buffer)) ReduceScatter(source.Elements<float>(), target.Elements<float>());
        else ReduceScatter(source.Elements<double>(), target.Elements<double>());
        target.Store();
    }

    private void Gather(Tensor part, IReadOnlyList<int> lengths, Tensor whole)
    {
        using var source = new HostTensor(part);
        using var target = new HostTensor(whole);
        if (HostTensor.IsSingle(whole)) AllGather(source.Elements<float>(), lengths, target.Elements<float>());
        else AllGather(source.Elements<double>(), lengths, target.Elements<double>());
        target.Store();
    }

    private void Spread(Tensor buffer, Rank root)
    {
        using var host = new HostTensor(buffer);
        if (HostTensor.IsSingle(buffer)) Broadcast(host.Elements<float>(), root);
        else Broadcast(host.Elements<double>(), root);
        host.Store();
    }

    private void ReduceRounded(Tensor buffer, ErrorFeedback feedback)
    {
        using var host = new HostTensor(buffer);
        ReduceRounded(host.Elements<float>(), feedback);
        host.Store();
    }

    /// <summary>Tells the others which leaves are here, and learns theirs.</summary>
    private void Deal(LeafRange leaves, int totalLeaves)
    {
        Span<int> own = [leaves.From, leaves.To, totalLeaves];
        Span<int> all = stackalloc int[DealWords * WorldSize.Value];
        AllGather(own, dealWords, all);
        var isKnown = true;
        for (var rank = 0; rank < dealt.Length; rank++)
        {
            var told = all.Slice(DealWords * rank, DealWords);
            (dealt[rank], totals[rank]) = (new LeafRange(told[0], told[1]), told[2]);
            isKnown &= deal.Ranges[rank] == dealt[rank] && deal.Leaves == totals[rank];
        }

        if (!isKnown) deal = LeafDeal.Of([.. dealt], totals);
    }
}
