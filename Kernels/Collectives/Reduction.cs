namespace CnnCluster.Kernels.Collectives;

/// <summary>What is made of two elements.</summary>
internal enum Reduction
{
    Sum,

    /// <summary>The greater one; NaN if either is.</summary>
    Max,
}
