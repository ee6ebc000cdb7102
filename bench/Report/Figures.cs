using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace CnnCluster.Bench.Report;

/// <summary>A side's measurements, in the order of the pairs.</summary>
public sealed record SideFigures(string Side, IReadOnlyList<double> Values);

/// <summary>A goal, and what was reached.</summary>
/// <param name="Against">The side whose ratio is meant; null for a value of cnn's own.</param>
/// <param name="Limit">The ratio, or the value, that is asked for.</param>
/// <param name="Kind">must or aim.</param>
/// <param name="Reached">The median ratio, or value; null if the side was not measured.</param>
/// <param name="Met">Null if the side was not measured, or not well enough to judge it.</param>
public sealed record GoalFigures(string? Against, double Limit, string Kind, double? Reached, bool? Met);

/// <summary>A row of the table.</summary>
public sealed record RowFigures(
    string Name, string Title, string Unit, bool LessIsBetter, IReadOnlyList<SideFigures> Sides, IReadOnlyList<GoalFigures> Goals);

/// <summary>Where and with what was measured.</summary>
/// <param name="Load">The machine's load average of a minute when the bench began: over a tenth of the cores, others disturbed it.</param>
public sealed record MachineFigures(
    string Processor, int Cores, string InstructionSet, string System, double Load, IReadOnlyDictionary<string, string> Versions);

/// <summary>All that a bench has measured: what <c>--out</c> writes, and what the page of the figures is made of.</summary>
public sealed record BenchFigures(DateTimeOffset Taken, MachineFigures Machine, int Threads, IReadOnlyList<RowFigures> Rows)
{
    /// <summary>Whether each side had one core for all its threads.</summary>
    public bool OneCore { get; init; }

    /// <summary>Whether it was measured briefly, to see that all runs: no goal is judged.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Quick { get; init; }

    /// <summary>How often each side was measured, in turn; a long row's half as often. Null in figures that were written before it was said.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Pairs { get; init; }

    /// <summary>The samples of LeNet-5's rows, as <see cref="BenchText.Digits"/> or <see cref="BenchText.Mnist"/>; null as <see cref="Pairs"/>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Data { get; init; }

    private static readonly JsonSerializerOptions Format = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public string ToJson() => JsonSerializer.Serialize(this, Format);

    /// <exception cref="JsonException">It is not what <see cref="ToJson"/> writes.</exception>
    public static BenchFigures FromJson(string text) =>
        JsonSerializer.Deserialize<BenchFigures>(text, Format) ?? throw new JsonException("There are no figures.");
}
