using CnnCluster.Kernels;

namespace CnnCluster.Trainer.Data;

/// <summary>The order in which an epoch goes through the samples.</summary>
public static class SampleOrder
{
    /// <summary>The samples 0 … count − 1 in the order of one epoch, the same on every rank.</summary>
    public static int[] OfEpoch(ulong seed, int epoch, int count) =>
        CounterRandom.Permutation(RandomKey.Of(seed, RandomPurpose.SampleOrder), (ulong)epoch, count);
}
