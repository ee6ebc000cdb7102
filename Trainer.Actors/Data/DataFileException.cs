namespace CnnCluster.Trainer.Data;

/// <summary>
/// A data file that cannot be used. The message starts with its path and ends with the place, where there is one.
/// </summary>
public sealed class DataFileException(
    string path, string problem, long? offset = null, int? item = null, Exception? inner = null)
    : UserException($"{path}: {problem}{Place(offset, item)}", inner)
{
    public string Path { get; } = path;

    /// <summary>The byte of the content, unpacked if it is gzip, at which the problem lies.</summary>
    public long? Offset { get; } = offset;

    /// <summary>The image or label, from 0, at which the problem lies.</summary>
    public int? Item { get; } = item;

    private static string Place(long? offset, int? item) => (offset, item) switch
    {
        (null, null) => "",
        (null, _) => $" (item {item})",
        (_, null) => $" (byte {offset})",
        _ => $" (item {item}, byte {offset})",
    };
}
