namespace CnnCluster.Bench.Scale.Model;

/// <summary>Seconds of an operation, and how many of them the rank's own processor is busy.</summary>
internal readonly record struct LinkTime(double Seconds, double Processor)
{
    public static LinkTime operator +(LinkTime a, LinkTime b) => new(a.Seconds + b.Seconds, a.Processor + b.Processor);
}

/// <summary>What lies between ranks: what it costs them was measured, what the network costs is given.</summary>
/// <param name="Name">As the page has it.</param>
/// <param name="Cost">Of the ranks' processors and memory.</param>
/// <param name="BytesPerSecond">Of a host, each way; infinite where there is no network.</param>
/// <param name="Latency">Seconds of the network, on top of the software's.</param>
internal sealed record Link(string Name, LinkCost Cost, double BytesPerSecond = double.PositiveInfinity, double Latency = 0)
{
    /// <summary>
    /// Payload of an Ethernet frame over its time on the wire: 1,500 bytes less 20 of IPv4 and 32 of TCP with timestamps (RFC
    /// 7323), over 1,500 and 38 of preamble, header, check sequence and gap (IEEE 802.3).
    /// </summary>
    public const double Payload = (1500.0 - 52) / (1500 + 38);

    /// <summary>Whether the ranks share no memory: a network between them, or this machine's loopback in place of one.</summary>
    public bool IsNetwork { get; init; }

    public static Link Network(string name, LinkCost cost, double gigabitsPerSecond, double latency) =>
        new(name, cost, Payload * gigabitsPerSecond * 1e9 / 8, latency) { IsNetwork = true };

    /// <summary>The network that takes no time: what ranks of one machine have without shared memory.</summary>
    public static Link Loopback(LinkCost cost) => new("loopback", cost) { IsNetwork = true };

    /// <summary>
    /// Seconds of an operation whose blocks are sent, received and summed at once: the slower of the wire and the processor counts.
    /// </summary>
    /// <param name="work">What a rank does.</param>
    /// <param name="crossing">Bytes that a host sends over its network for each that one of its ranks sends.</param>
    public LinkTime Time(Work work, double crossing = 1)
    {
        var perByte = (work.Sent * Cost.Byte) + (work.Summed * Cost.Sum);
        var perMessage = (work.Messages * Cost.Message) + (work.Rounded * Cost.Rounding);
        var wire = crossing * work.Sent / BytesPerSecond;
        return new LinkTime((work.Rounds * (Cost.Round + Latency)) + perMessage + Math.Max(wire, perByte), perMessage + perByte);
    }
}
