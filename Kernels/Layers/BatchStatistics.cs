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
            OfRun(TensorMemory.Pointer<float>(call.Mean), TensorMemory.Pointer<float>(call.Variance), call.Epsilon, table);
        }

        Weigh(scale is null ? null : TensorMemory.Pointer<float>(scale), shift is null ? null : TensorMemory.Pointer<float>(shift), table);
    }

    /// <summary>
    /// Mean and biased variance of the batch, as Σx/n and Σx²/n − μ²: in doubles the difference keeps the digits of a float32
    /// variance as long as the mean is less than some 10⁴ standard deviations.
    /// </summary>
    /// <param name="sums">C sums of x, then C of x², over the whole batch.</param>
    /// <param name="count">n.</param>
    /// <param name="epsilon">Added to the variance, under the root.</param>
    /// <param name="table">Mean and scatter are written.</param>
    public static void OfSums(double* sums, double count, double epsilon, in ChannelTable table)
    {
        for (var c = 0; c < table.Channels; c++)
        {
            var (mean, variance) = Of(sums, count, c, table.Channels);
            Set(c, mean, variance, epsilon, table);
        }
    }

    /// <summary>The running statistics take their part of the batch's.</summary>
    /// <param name="sums">As for <see cref="OfSums"/>.</param>
    /// <param name="count">n.</param>
    /// <param name="momentum">How much of the running statistics is kept.</param>
    /// <param name="channels">C.</param>
    /// <param name="nextMean">C numbers, changed.</param>
    /// <param name="nextVariance">C numbers, changed.</param>
    /// <remarks>The next statistics start as a copy of the current ones, so that several passes in one step add up.</remarks>
    public static void Remember(double* sums, double count, double momentum, int channels, float* nextMean, float* nextVariance)
    {
        for (var c = 0; c < channels; c++)
        {
            var (mean, variance) = Of(sums, count, c, channels);
            nextMean[c] = (float)((momentum * nextMean[c]) + ((1 - momentum) * mean));
            nextVariance[c] = (float)((momentum * nextVariance[c]) + ((1 - momentum) * variance));
        }
    }

    /// <summary>The running mean and variance, C numbers each.</summary>
    public static void OfRun(float* means, float* variances, double epsilon, in ChannelTable table)
    {
        for (var c = 0; c < table.Channels; c++)
        {
            Set(c, means[c], variances[c], epsilon, table);
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
        var sums = TensorMemory.Pointer<double>(both);
        ChannelSums.Run<Moments>(order, memory, memory, table, sums);
        if (call.Synchronised) call.Step.Collective.AllReduceSum(both);
        var count = call.Count(x);
        OfSums(sums, count, call.Epsilon, table);
        Remember(sums, count, call.Momentum, table.Channels, TensorMemory.Pointer<float>(call.NextMean!), TensorMemory.Pointer<float>(call.NextVariance!));
    }

    private static (double Mean, double Variance) Of(double* sums, double count, int channel, int channels)
    {
        var mean = sums[channel] / count;
        return (mean, Math.Max(0, (sums[channels + channel] / count) - (mean * mean)));
    }

    private static void Set(int channel, double mean, double variance, double epsilon, in ChannelTable table)
    {
        table.Mean[channel] = (float)mean;
        table.Rest[channel] = (float)(mean - (float)mean);
        table.Scatter[channel] = (float)(1 / Math.Sqrt(variance + epsilon));
    }
}
