namespace CnnCluster.Bench.Scale.Model;

/// <summary>What a kind of link costs its ranks: the latency-bandwidth-reduction model, with what a message costs its sender.</summary>
/// <remarks>
/// α, β and γ as in Thakur, Rabenseifner and Gropp, IJHPCA 19(1), 2005; the overhead o of a message as in LogP (Culler et
/// al., PPoPP 1993), without which a rank could send to a thousand others in no time.
/// </remarks>
/// <param name="Round">α: seconds until a message has come to who waits for it.</param>
/// <param name="Message">o: seconds that a message costs the ranks besides its bytes.</param>
/// <param name="Byte">β: seconds to send a byte and receive another.</param>
/// <param name="Sum">γ: seconds to add a byte's share of an element.</param>
/// <param name="Rounding">ρ: seconds to round a byte's share of a float32 to 16 bits, and back.</param>
internal sealed record LinkCost(double Round, double Message, double Byte, double Sum, double Rounding)
{
    /// <summary>The costs from the terms' coefficients, in the order of <see cref="Work.Terms"/>.</summary>
    public static LinkCost Of(IReadOnlyList<double> terms) => new(terms[0], terms[1], terms[2], terms[3], terms[4]);

    /// <summary>Seconds where nothing but the ranks' processors and memory is in the way.</summary>
    public double Seconds(Work work) =>
        (work.Rounds * Round) + (work.Messages * Message) + (work.Sent * Byte) + (work.Summed * Sum) + (work.Rounded * Rounding);

    /// <summary>How many times longer all takes where ranks have to share cores, and each does its work in turn.</summary>
    public static double Sharing(int ranks, int cores) => Math.Max(1, (double)ranks / cores);
}
