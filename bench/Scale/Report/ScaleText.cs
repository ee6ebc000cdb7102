using System.Globalization;
using System.Text;

namespace CnnCluster.Bench.Scale.Report;

/// <summary>How the model's numbers are worded.</summary>
internal static class ScaleText
{
    private const string None = "–";

    public static string Time(double seconds) => seconds switch
    {
        < 1e-3 => Invariant($"{seconds * 1e6:0.0} µs"),
        < 1 => Invariant($"{seconds * 1e3:0.00} ms"),
        _ => Invariant($"{seconds:0.00} s"),
    };

    /// <summary>A cost of a byte, as bytes of a second; nothing where it costs nothing.</summary>
    public static string Rate(double secondsPerByte) => secondsPerByte > 0 ? Invariant($"{1e-9 / secondsPerByte:0.0} GB/s") : None;

    /// <summary>A cost of a thing; nothing where it costs nothing.</summary>
    public static string Cost(double seconds) => seconds > 0 ? Time(seconds) : None;

    public static string Bytes(double bytes) => bytes switch
    {
        < 1024 => Invariant($"{bytes:0} B"),
        < 1 << 20 => Invariant($"{bytes / 1024:0} KiB"),
        < 1 << 30 => Invariant($"{bytes / (1 << 20):0} MiB"),
        _ => Invariant($"{bytes / (1 << 30):0} GiB"),
    };

    /// <summary>A share in percent, with a digit behind the point where it is small.</summary>
    public static string Percent(double share) => share < 0.0995 ? Invariant($"{100 * share:0.0}") : Invariant($"{100 * share:0}");

    public static string Factor(double factor) => Invariant($"{factor:0.00}");

    public static string Number(double number) => Invariant($"{number:#,0}");

    /// <summary>Median and greatest of some factors.</summary>
    public static string Spread(IReadOnlyCollection<double> factors) => factors.Count == 0 ? None : $"{Factor(Median.Of(factors))}, {Factor(factors.Max())}";

    public static string LinkName(LinkKind kind) => kind switch
    {
        LinkKind.Threads => "threads",
        LinkKind.SharedMemory => "shared memory",
        LinkKind.Tcp => "TCP",
        LinkKind.Tls => "TCP with TLS",
        _ => "two hosts",
    };

    /// <summary>A table, numbers to the right but for the first column.</summary>
    public static string Table(IReadOnlyList<string> heads, IEnumerable<IReadOnlyList<string>> rows)
    {
        var text = new StringBuilder($"\n| {string.Join(" | ", heads)} |\n|---|{string.Concat(Enumerable.Repeat("---:|", heads.Count - 1))}\n");
        foreach (var row in rows)
        {
            text.Append("| ").AppendJoin(" | ", row).Append(" |\n");
        }

        return text.ToString();
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
