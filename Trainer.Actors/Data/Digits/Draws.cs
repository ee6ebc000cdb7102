using CnnCluster.Kernels;

namespace CnnCluster.Trainer.Data.Digits;

/// <summary>The random numbers of one sample, drawn one after the other.</summary>
internal sealed class Draws(RandomKey key, ulong row)
{
    private ulong next;

    public double Between(double low, double high) => low + ((high - low) * CounterRandom.Uniform(key, row, next++));

    public double Normal(double deviation) => deviation * CounterRandom.Normal(key, row, next++);

    /// <summary>A whole number from 0 to count − 1.</summary>
    public int Below(int count) => (int)Between(0, count);
}
