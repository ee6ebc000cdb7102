namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>What a script says of a batch normalisation.</summary>
/// <param name="Momentum">How much of the running statistics a step keeps.</param>
/// <param name="Epsilon">Added to the variance, under the root.</param>
/// <param name="Synchronised">Whether the batch's statistics are over all ranks.</param>
/// <param name="Frozen">Whether the running statistics are used, and kept, in training too.</param>
public sealed record NormalisationSettings(double Momentum, double Epsilon, bool Synchronised, bool Frozen);
