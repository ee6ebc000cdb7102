using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Training.Gradients;

/// <summary>Validation sums as a row of numbers, which add up as the sums do.</summary>
internal static class EpochSumsRow
{
    private const int FirstPenalty = 3;

    /// <summary>Samples, loss, penalty, penalties, figures. (Samples are whole numbers, below 2⁵³.)</summary>
    public static double[] Of(EpochSums sums) => [sums.Samples, sums.Loss, sums.Penalty, .. sums.Penalties, .. sums.Figures];

    /// <param name="row">What <see cref="Of"/> gave, or a sum of such.</param>
    /// <param name="like">Sums with as many penalties and figures.</param>
    public static EpochSums Read(double[] row, EpochSums like)
    {
        var sums = new EpochSums { Samples = (long)row[0], Loss = row[1], Penalty = row[2] };
        var firstFigure = FirstPenalty + like.Penalties.Count;
        sums.Penalties.AddRange(row[FirstPenalty..firstFigure]);
        sums.Figures.AddRange(row[firstFigure..]);
        return sums;
    }
}
