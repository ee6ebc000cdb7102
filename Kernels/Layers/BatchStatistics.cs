using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Layers;

/// <summary>Fills the table of a batch normalisation: μ, scale/√(σ² + ε), 1/√(σ² + ε) and shift of each channel.</summary>
internal static unsafe class BatchStatistics
{
    /// <param name="x">The input, in one of the two orders.</param>
    /// <param name="scale">(C), or null for 1.</param>
    /// <param name="shift">(C), or null for 0.</param>
    /// <param name="call">Whose statistics.</param>
    /// <param name="table">Is written.</param>
    public static void Fill(Tensor x, Tensor? scale, Tensor? shift, BatchNormCall call, in ChannelTable table)
    {
        if (call.OfBatch)
        {
            OfBatch(x, call, table);
        }
        else
        {
            Given(call, table);
        }

        var channels = (int)x.size(1);
        var factors = scale is null ? null : TensorMemory.Pointer<float>(scale);
        var shifts = shift is null ? null : TensorMemory.Pointer<float>(shift);
        for (var c = 0; c < channels; c++)
        {
            table.Factor[c] = factors is null ? table.Scatter[c] : table.Scatter[c] * factors[c];
            table.Shift[c] = (shifts is null ? 0 : shifts[c]) - (table.Rest[c] * table.Factor[c]);
        }
    }

    /// <summary>
    /// Mean and biased variance of the batch, as Σx/n and Σx²/n − μ²: in doubles the difference keeps the digits of a float32
    /// variance as long as the mean is less than some 10⁴ standard deviations.
    /// </summary>
    private static void OfBatch(Tensor x, BatchNormCall call, in ChannelTable table)
    {
        var order = ChannelOrder.Of(x);
        var memory = ChannelOrder.Memory(x);
        using var both = empty([2 * order.Channels], dtype: ScalarType.Float64);
        var sums = TensorMemory.Pointer<double>(both);
        ChannelSums.Run<Moments>(order, memory, memory, table, sums);
        if (call.Synchronised)
        {
            call.Step.Collective.AllReduceSum(both);
        }

        var count = call.Count(x.shape);
        var nextMean = TensorMemory.Pointer<float>(call.NextMean!);
        var nextVariance = TensorMemory.Pointer<float>(call.NextVariance!);
        for (var c = 0; c < order.Channels; c++)
        {
            var mean = sums[c] / count;
            var variance = Math.Max(0, (sums[order.Channels + c] / count) - (mean * mean));
            Set(c, mean, variance, call, table);
            Remember(ref nextMean[c], mean, call.Momentum);
            Remember(ref nextVariance[c], variance, call.Momentum);
        }
    }

    private static void Given(BatchNormCall call, in ChannelTable table)
    {
        var means = TensorMemory.Span<float>(call.Mean);
        var variances = TensorMemory.Span<float>(call.Variance);
        for (var c = 0; c < means.Length; c++)
        {
            Set(c, means[c], variances[c], call, table);
        }
    }

    private static void Set(int channel, double mean, double variance, BatchNormCall call, in ChannelTable table)
    {
        table.Mean[channel] = (float)mean;
        table.Rest[channel] = (float)(mean - (float)mean);
        table.Scatter[channel] = (float)(1 / Math.Sqrt(variance + call.Epsilon));
    }

    /// <summary>The next statistics start as a copy of the current ones, so that several passes in one step add up.</summary>
    private static void Remember(ref float next, double fresh, double momentum) =>
        next = (float)((momentum * next) + ((1 - momentum) * fresh));
}
