using CnnCluster.Trainer.Coordination;

namespace CnnCluster.Trainer.Comparison;

/// <summary>What a comparison tells while it runs; cells that are trained at once tell from several threads.</summary>
public abstract record ComparisonEvent(Variant Variant, ulong Seed);

/// <summary>A cell begins.</summary>
/// <param name="Variant">What is trained.</param>
/// <param name="Seed">With which seed.</param>
/// <param name="Epochs">At most so many epochs.</param>
public sealed record CellBegan(Variant Variant, ulong Seed, int Epochs) : ComparisonEvent(Variant, Seed);

/// <summary>An epoch of a cell was trained and validated.</summary>
public sealed record CellEpochEnded(Variant Variant, ulong Seed, EpochEnded Ended) : ComparisonEvent(Variant, Seed);

/// <summary>A cell is finished.</summary>
public sealed record CellFinished(Variant Variant, CellResult Result) : ComparisonEvent(Variant, Result.Seed);
