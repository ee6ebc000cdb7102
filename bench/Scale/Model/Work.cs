namespace CnnCluster.Bench.Scale.Model;

/// <summary>What the busiest rank does in an operation, as far as it costs time.</summary>
/// <param name="Rounds">Messages that wait for one another.</param>
/// <param name="Messages">Messages that it sends; it receives as many.</param>
/// <param name="Sent">Bytes that it sends; it receives as many.</param>
/// <param name="Summed">Bytes that it adds to others.</param>
/// <param name="Rounded">Bytes of float32 that it rounds to 16 bits, and back.</param>
internal readonly record struct Work(double Rounds, double Messages, double Sent, double Summed, double Rounded = 0)
{
    /// <summary>The factors of a cost's five terms.</summary>
    public double[] Terms => [Rounds, Messages, Sent, Summed, Rounded];
}
