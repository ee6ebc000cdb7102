using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using CnnCluster.Bench.Report;

namespace CnnCluster.Bench.Scale;

/// <summary>How ranks are joined.</summary>
public enum LinkKind
{
    Threads,
    SharedMemory,
    Tcp,

    /// <summary>TCP with mutual TLS, as between hosts.</summary>
    Tls,

    /// <summary>Two hosts of as many ranks each: shared memory within them, TLS between them. Both are this machine.</summary>
    Hosts,
}

/// <summary>What ranks do together, on float32.</summary>
public enum MeasuredOperation
{
    AllReduce,

    /// <summary>An all-reduce whose numbers travel in 16 bits.</summary>
    Rounded,

    ReduceScatter,
    AllGather,
    Barrier,
}

/// <summary>An operation's time between ranks of this machine.</summary>
/// <param name="Bytes">Of the whole buffer; 0 for a barrier.</param>
/// <param name="Seconds">The median of several stretches' means.</param>
/// <param name="Least">Of these means.</param>
/// <param name="Greatest">Likewise.</param>
public sealed record LinkPoint(LinkKind Link, int World, MeasuredOperation Operation, long Bytes, double Seconds, double Least, double Greatest);

/// <summary>What the slowest of so many steps takes in the mean.</summary>
public sealed record SlowestOf(int Steps, double Seconds);

/// <summary>One worker's step, of so many samples.</summary>
/// <param name="Steps">How many were measured.</param>
/// <param name="Seconds">Their mean.</param>
/// <param name="Slowest">Over all choices of some of them; empty where they are too few for it.</param>
public sealed record ComputingPoint(string Network, int Samples, int Steps, double Seconds, IReadOnlyList<SlowestOf> Slowest);

/// <summary>A step of two workers, each with half of the samples.</summary>
public sealed record PairPoint(string Network, LinkKind Link, int Samples, double Seconds);

/// <summary>What a step of a network reduces.</summary>
/// <param name="Statistics">The channels of each layer that normalises by the batch: two sums of two doubles a channel.</param>
public sealed record NetworkShape(string Name, long Parameters, IReadOnlyList<long> Statistics);

/// <summary>What the cost model is fitted to and held against: what <c>--scale --out</c> writes.</summary>
public sealed record ScaleFigures(
    DateTimeOffset Taken,
    MachineFigures Machine,
    IReadOnlyList<NetworkShape> Networks,
    IReadOnlyList<LinkPoint> Links,
    IReadOnlyList<ComputingPoint> Computing,
    IReadOnlyList<PairPoint> Pairs)
{
    /// <summary>Whether it was measured briefly, to see that all runs.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Quick { get; init; }

    private static readonly JsonSerializerOptions Format = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
    };

    private static readonly JsonSerializerOptions OneLine = new(Format) { WriteIndented = false };

    public string ToJson() => JsonSerializer.Serialize(this, Format);

    /// <exception cref="JsonException">It is not what <see cref="ToJson"/> writes.</exception>
    public static ScaleFigures FromJson(string text) => FromJson<ScaleFigures>(text);

    /// <summary>A part of the figures, as a measuring process prints it.</summary>
    internal static T FromJson<T>(string text) =>
        JsonSerializer.Deserialize<T>(text, Format) ?? throw new JsonException("There are no figures.");

    /// <summary>On one line.</summary>
    internal static string ToLine<T>(T part) => JsonSerializer.Serialize(part, OneLine);
}
