namespace CnnCluster.Bench.Scale.Model;

/// <summary>How much longer than a mean step the slowest of several workers takes.</summary>
/// <remarks>
/// Steps are taken for a shortest time and an exponential delay on top of it, independent of each other. The slowest of N then
/// takes the mean and θ·(H(N) − 1), with H(N) = 1 + 1/2 + … + 1/N (Rényi 1953: the gaps between exponential order statistics).
/// </remarks>
/// <param name="Scale">θ, in mean steps.</param>
internal sealed record Jitter(double Scale)
{
    /// <summary>Σ 1/k for k from 1 to n.</summary>
    public static double Harmonic(int n) => Enumerable.Range(1, n).Sum(static k => 1.0 / k);

    /// <summary>What the slowest of so many takes beyond the mean, in mean steps.</summary>
    public double Excess(int workers) => Scale * (Harmonic(workers) - 1);

    /// <summary>The scale that fits best, by least squares, to how long the slowest of several steps take.</summary>
    /// <param name="slowest">Of so many steps, what the slowest takes in the mean, in mean steps.</param>
    public static Jitter Of(IEnumerable<(int Steps, double Excess)> slowest)
    {
        var points = slowest.Select(static point => (Factor: Harmonic(point.Steps) - 1, point.Excess)).ToList();
        var norm = points.Sum(static point => point.Factor * point.Factor);
        return new Jitter(norm > 0 ? points.Sum(static point => point.Factor * point.Excess) / norm : 0);
    }

    /// <summary>
    /// What the slowest of k takes in the mean over all choices of k of the given: the i-th of m in order is the slowest of
    /// C(i−1, k−1) of the C(m, k) choices.
    /// </summary>
    /// <param name="values">At least <paramref name="k"/>.</param>
    /// <param name="k">At least 1.</param>
    public static double MeanOfSlowest(IEnumerable<double> values, int k)
    {
        double[] sorted = [.. values.Order()];
        var (share, sum) = ((double)k / sorted.Length, 0.0);
        for (var i = sorted.Length; i >= k; i--)
        {
            sum += share * sorted[i - 1];
            share *= (double)(i - k) / Math.Max(1, i - 1);
        }

        return sum;
    }
}
