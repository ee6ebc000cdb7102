namespace CnnCluster.Kernels.Collectives;

/// <summary>A step of summing leaves along the tree: a leaf is put into a buffer, or the buffer behind it is added to it.</summary>
/// <param name="Buffer">The buffer that changes.</param>
/// <param name="Leaf">The leaf that is put into it; null where buffer <paramref name="Buffer"/> + 1 is added to it, in that order of operands.</param>
public readonly record struct TreeStep(int Buffer, int? Leaf);
