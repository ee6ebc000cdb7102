namespace CnnCluster.Bench.Scale.Model;

/// <summary>Seconds that a worker computes for a step, of the samples that it has.</summary>
/// <remarks>
/// Straight lines between what was measured, as kernels that take 16 samples at a time make no straight line of it all; beyond
/// the last, it grows in proportion to the samples.
/// </remarks>
internal sealed class ComputingTime
{
    private readonly (double Samples, double Seconds)[] points;

    /// <param name="points">At least one, of different numbers of samples.</param>
    public ComputingTime(IEnumerable<(double Samples, double Seconds)> points) => this.points = [.. points.OrderBy(static point => point.Samples)];

    /// <summary>A stated rate, and no fixed part.</summary>
    public static ComputingTime OfRate(double samplesPerSecond) => new([(0, 0), (1, 1 / samplesPerSecond)]);

    public double Of(double samples)
    {
        if (samples <= points[0].Samples) return points[0].Seconds;
        if (samples >= points[^1].Samples) return points[^1].Seconds * samples / points[^1].Samples;
        var next = Array.FindIndex(points, point => point.Samples >= samples);
        var (a, b) = (points[next - 1], points[next]);
        return a.Seconds + ((samples - a.Samples) * (b.Seconds - a.Seconds) / (b.Samples - a.Samples));
    }
}
