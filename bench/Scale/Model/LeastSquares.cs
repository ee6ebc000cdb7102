namespace CnnCluster.Bench.Scale.Model;

/// <summary>Linear least squares with coefficients that are not negative.</summary>
/// <remarks>
/// Of the few terms here every subset is solved, and the best one whose coefficients are all positive is the solution (Lawson
/// and Hanson, Solving Least Squares Problems, 1974, chapter 23: it is the solution of its own subset without the bounds).
/// </remarks>
internal static class LeastSquares
{
    /// <summary>A pivot this much smaller than its column is one of columns that depend on each other.</summary>
    private const double Dependent = 1e-10;

    /// <summary>The coefficients x ≥ 0 for which Σ(row·x − target)² is least.</summary>
    /// <param name="rows">As many as targets; each with one factor for each coefficient, a few in all.</param>
    /// <param name="targets">What the rows should give.</param>
    public static double[] NonNegative(IReadOnlyList<double[]> rows, IReadOnlyList<double> targets)
    {
        var terms = rows[0].Length;
        var (best, least) = (new double[terms], targets.Sum(static target => target * target));
        for (var subset = 1; subset < 1 << terms; subset++)
        {
            int[] chosen = [.. Enumerable.Range(0, terms).Where(term => (subset >> term & 1) == 1)];
            if (Solve(rows, targets, chosen) is not { } solution || solution.Any(static x => x < 0)) continue;
            var error = rows.Zip(targets, (row, target) => Math.Pow(Dot(row, solution) - target, 2)).Sum();
            if (error < least) (best, least) = (solution, error);
        }

        return best;
    }

    public static double Dot(IReadOnlyList<double> a, IReadOnlyList<double> b) => a.Zip(b, static (x, y) => x * y).Sum();

    /// <summary>The solution without bounds in which the chosen terms alone count; null where they depend on each other.</summary>
    private static double[]? Solve(IReadOnlyList<double[]> rows, IReadOnlyList<double> targets, int[] chosen)
    {
        // Columns of length 1, as seconds a message and seconds a byte are apart by many orders of magnitude.
        var scales = chosen.Select(term => Math.Sqrt(rows.Sum(row => row[term] * row[term]))).ToArray();
        if (scales.Contains(0)) return null;
        var columns = chosen.Select((term, i) => rows.Select(row => row[term] / scales[i]).ToArray()).ToArray();
        var normal = columns.Select(column => columns.Select(other => Dot(column, other)).Append(Dot(column, targets)).ToArray()).ToArray();
        if (!Eliminate(normal)) return null;
        var solution = new double[rows[0].Length];
        foreach (var (i, term) in chosen.Index())
        {
            solution[term] = normal[i][^1] / (normal[i][i] * scales[i]);
        }

        return solution;
    }

    /// <summary>Makes a symmetric, positive system diagonal (Gauss and Jordan); false where it is singular.</summary>
    private static bool Eliminate(double[][] system)
    {
        for (var pivot = 0; pivot < system.Length; pivot++)
        {
            if (system[pivot][pivot] < Dependent) return false;
            foreach (var row in system.Where((_, i) => i != pivot))
            {
                var factor = row[pivot] / system[pivot][pivot];
                for (var column = pivot; column < row.Length; column++)
                {
                    row[column] -= factor * system[pivot][column];
                }
            }
        }

        return true;
    }
}
