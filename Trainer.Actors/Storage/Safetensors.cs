namespace CnnCluster.Trainer.Storage;

/// <summary>The element types that states are made of; safetensors knows more, which are refused by name.</summary>
public enum ElementType
{
    Float32,
    Float64,
    Int64,
}

/// <summary>What a safetensors header says of one tensor.</summary>
/// <param name="Name">Unique within the file; parts are separated by <c>/</c>, as in <c>conv1/kernel</c>.</param>
/// <param name="Type">The type of the elements.</param>
/// <param name="Shape">The dimensions, row-major; empty for a scalar.</param>
public sealed record TensorEntry(string Name, ElementType Type, IReadOnlyList<long> Shape)
{
    /// <summary>The size of the data in bytes.</summary>
    /// <exception cref="OverflowException">It does not fit 64 bits.</exception>
    public long ByteLength => Shape.Aggregate(Safetensors.ElementBytes(Type), static (bytes, size) => checked(bytes * size));
}

/// <summary>A state file that cannot be read; the message names the file and, where there is one, the tensor.</summary>
public sealed class StateFileException(string message, Exception? inner = null) : UserException(message, inner);

/// <summary>
/// The safetensors format (https://github.com/huggingface/safetensors, section Format): the header's length as 64
/// bits little-endian, a JSON header padded with spaces, then the tensors' data without holes. Reading it runs no code.
/// </summary>
internal static class Safetensors
{
    public const int LengthBytes = 8;

    /// <summary>The format's own limit on the header.</summary>
    public const int LongestHeader = 100_000_000;

    /// <summary>The data begins at a multiple of this, so that a mapped file can be read in place.</summary>
    public const int Alignment = 8;

    public const string Metadata = "__metadata__";
    public const string DataHash = "data_sha256";

    private static readonly (ElementType Type, string Name, long Bytes)[] Types =
    [
        (ElementType.Float32, "F32", 4),
        (ElementType.Float64, "F64", 8),
        (ElementType.Int64, "I64", 8),
    ];

    public static long ElementBytes(ElementType type) => Types.First(t => t.Type == type).Bytes;

    public static string NameOf(ElementType type) => Types.First(t => t.Type == type).Name;

    /// <summary>The element type that a header calls <paramref name="name"/>; null if states have none such.</summary>
    public static ElementType? TypeOf(string name) =>
        Types.Where(t => t.Name == name).Select(static t => (ElementType?)t.Type).FirstOrDefault();

    public static string KnownTypes => string.Join(", ", Types.Select(static t => t.Name));
}
