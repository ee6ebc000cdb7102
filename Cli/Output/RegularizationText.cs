using System.Globalization;
using System.Text;
using CnnCluster.Trainer.Coordination;

namespace CnnCluster.Cli.Output;

/// <summary>The regularization losses of an epoch on one line: their sum, and by name as many as fit, the greatest first.</summary>
internal static class RegularizationText
{
    /// <param name="metrics">An epoch with regularization losses.</param>
    /// <param name="width">Columns that there are.</param>
    public static string Of(EpochMetrics metrics, int width)
    {
        var line = new StringBuilder(string.Create(CultureInfo.InvariantCulture, $"regularization {metrics.RegularizationLoss:F4}"));
        var (left, separator) = (metrics.RegularizationLosses.Count, ':');
        foreach (var (weight, loss) in metrics.RegularizationLosses.OrderByDescending(static l => l.Value))
        {
            var next = string.Create(CultureInfo.InvariantCulture, $"{separator} {weight} {loss:F4}");
            var rest = left > 1 ? Further(left - 1) : "";
            if (line.Length + next.Length + rest.Length > width)
            {
                return line + Further(left);
            }

            line.Append(next);
            (left, separator) = (left - 1, ',');
        }

        return line.ToString();
    }

    private static string Further(int count) => string.Create(CultureInfo.InvariantCulture, $" and {count} more");
}
