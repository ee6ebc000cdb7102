namespace CnnCluster.Kernels.Collectives;

/// <summary>A connection that was turned away.</summary>
/// <param name="From">Where it came from.</param>
/// <param name="To">What it came to, as in "the state channel".</param>
/// <param name="Why">As in "it showed another token".</param>
public sealed record Refusal(string From, string To, string Why);
