namespace CnnCluster.Kernels.Collectives;

/// <summary>A connection, or what came over one, that was turned away.</summary>
/// <param name="From">Where it came from.</param>
/// <param name="To">What it came to, as in "the state channel".</param>
/// <param name="Why">As in "it showed another token".</param>
public sealed record Refusal(string From, string To, string Why)
{
    /// <summary>What was turned away.</summary>
    public string What { get; init; } = "a connection";
}
