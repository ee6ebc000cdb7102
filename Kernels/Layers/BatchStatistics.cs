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
            OfRun(call, table);
        }

        Weigh(scale is null ? null : TensorMemory.Pointer<float>(scale), shift is null ? null : TensorMemory.Pointer<float>(shift), table);
    }

    /// <summary>
    /// Mean and biased variance of the batch, as Σx/n and Σx²/n − μ²: in doubles the difference keeps the digits of a float32
    /// variance as long as the mean is less than some 10⁴ standard deviations. The running ones take their part of both.
    /// </summary>
    /// <param name="both">This rank's C sums of x, then C of x², in doubles; all ranks' afterwards, where they are joined.</param>
    /// <param name="count">n, of all ranks where they are joined.</param>
    /// <param name="call">Whose statistics: the batch's.</param>
    /// <param name="table">Mean and scatter are written.</param>
    public static void OfSums(Tensor both, double count, BatchNormCall call, in ChannelTable table)
    {
        if (call.Synchronised)
        {
            call.Step.Collective.AllReduceSum(both);
        }

        var channels = table.Channels;
        var sums = TensorMemory.Pointer<double>(both);
        var nextMean = TensorMemory.Pointer<float>(call.NextMean!);
        var nextVariance = TensorMemory.Pointer<float>(call.NextVariance!);
        for (var c = 0; c < channels; c++)
        {
            var mean = sums[c] / count;
            var variance = Math.Max(0, (sums[channels + c] / count) - (mean * mean));
            Set(c, mean, variance, call, table);
            Remember(ref nextMean[c], mean, call.Momentum);
            Remember(ref nextVariance[c], variance, call.Momentum);
        }
    }

    /// <summary>The running mean and variance.</summary>
    public static void OfRun(BatchNormCall call, in ChannelTable table)
    {
        var means = TensorMemory.Span<float>(call.Mean);
        var variances = TensorMemory.Span<float>(call.Variance);
        for (var c = 0; c < means.Length; c++)
        {
            Set(c, means[c], variances[c], call, table);
        }
    }

    /// <summary>The numbers that an element is multiplied by and shifted by, once mean and scatter are there.</summary>
    /// <param name="scale">C numbers, or null for 1.</param>
    /// <param name="shift">C numbers, or null for 0.</param>
    /// <param name="table">Factor and shift are written.</param>
    public static void Weigh(float* scale, float* shift, in ChannelTable table)
    {
        for (var c = 0; c < table.Channels; c++)
        {
            table.Factor[c] = scale is null ? table.Scatter[c] : table.Scatter[c] * scale[c];
            table.Shift[c] = (shift is null ? 0 : shift[c]) - (table.Rest[c] * table.Factor[c]);
        }
    }

    private static void OfBatch(Tensor x, BatchNormCall call, in ChannelTable table)
    {
        var order = ChannelOrder.Of(x);
        var memory = ChannelOrder.Memory(x);
        using var both = empty([2 * order.Channels], dtype: ScalarType.Float64);
        ChannelSums.Run<Moments>(order, memory, memory, table, TensorMemory.Pointer<double>(both));
        OfSums(both, call.Count(x.shape), call, table);
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
