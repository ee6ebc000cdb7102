using CnnCluster.Trainer.Comparison;

namespace CnnCluster.Cli.Output;

/// <summary>Shows a comparison: for people or for programs.</summary>
internal interface IComparisonOutput : IDisposable
{
    /// <param name="finished">Cells that need no training any more.</param>
    void Begin(IReadOnlyList<CellResult> finished);

    /// <summary>May be called from several threads at once.</summary>
    void Read(ComparisonEvent message);

    void Conclude(ComparisonSummary summary);
}
