namespace CnnCluster.Bench.Report;

/// <summary>A part of a page between two comments, which is made anew from figures.</summary>
internal static class MarkedPart
{
    /// <summary>The page with a part's text replaced.</summary>
    /// <param name="page">The whole page.</param>
    /// <param name="name">As in <c>&lt;!-- name --&gt;</c> and <c>&lt;!-- end of name --&gt;</c>, each on a line of its own.</param>
    /// <param name="text">What stands between them.</param>
    /// <exception cref="FormatException">The page has no place for it.</exception>
    public static string Replace(string page, string name, string text)
    {
        var (first, last) = ($"<!-- {name} -->\n", $"<!-- end of {name} -->\n");
        var begin = page.IndexOf(first, StringComparison.Ordinal);
        var end = page.IndexOf(last, StringComparison.Ordinal);
        return begin >= 0 && end > begin
            ? $"{page[..(begin + first.Length)]}{text}{page[end..]}"
            : throw new FormatException($"The page has no '{first.Trim()}' with '{last.Trim()}' behind it.");
    }
}
