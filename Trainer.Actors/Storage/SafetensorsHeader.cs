using System.Text.Json;

namespace CnnCluster.Trainer.Storage;

/// <summary>A header whose claims agree with each other; the data has still to be looked at.</summary>
/// <param name="Entries">The tensors in the order of their data.</param>
/// <param name="Metadata">The header's texts.</param>
/// <param name="DataBytes">The size of all data.</param>
internal sealed record SafetensorsHeader(
    IReadOnlyList<TensorEntry> Entries, IReadOnlyDictionary<string, string> Metadata, long DataBytes)
{
    private static readonly JsonDocumentOptions Json = new() { AllowDuplicateProperties = false };

    /// <exception cref="StateFileException">The text is no header, or its tensors do not lie end to end.</exception>
    public static SafetensorsHeader Parse(ReadOnlyMemory<byte> text, string file)
    {
        try
        {
            using var document = JsonDocument.Parse(text, Json);
            return Check(document.RootElement, file);
        }
        catch (JsonException e)
        {
            throw new StateFileException($"{file}: the header is not valid JSON: {e.Message}", e);
        }
    }

    private static SafetensorsHeader Check(JsonElement root, string file)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new StateFileException($"{file}: the header is not a JSON object");
        }

        var placed = root.EnumerateObject()
            .Where(static property => property.Name != Safetensors.Metadata)
            .Select(property => new TensorHeader(file, property).Read())
            .OrderBy(static tensor => tensor.Begin).ThenBy(static tensor => tensor.End)
            .ToList();
        CheckContiguous(placed, file);
        return new SafetensorsHeader(
            [.. placed.Select(static tensor => tensor.Entry)], ReadMetadata(root, file), placed.Count == 0 ? 0 : placed[^1].End);
    }

    private static void CheckContiguous(List<PlacedTensor> placed, string file)
    {
        var end = 0L;
        foreach (var tensor in placed)
        {
            if (tensor.Begin != end)
            {
                var fault = tensor.Begin > end ? $"leaves a hole behind byte {end}" : $"overlaps the tensor that ends at byte {end}";
                throw new StateFileException($"{file}: tensor {tensor.Entry.Name}: its data begins at byte {tensor.Begin} and {fault}");
            }

            end = tensor.End;
        }
    }

    private static Dictionary<string, string> ReadMetadata(JsonElement root, string file)
    {
        var texts = new Dictionary<string, string>(StringComparer.Ordinal);
        if (!root.TryGetProperty(Safetensors.Metadata, out var metadata))
        {
            return texts;
        }

        if (metadata.ValueKind != JsonValueKind.Object
            || metadata.EnumerateObject().Any(static property => property.Value.ValueKind != JsonValueKind.String))
        {
            throw new StateFileException($"{file}: {Safetensors.Metadata} is not an object of texts");
        }

        foreach (var property in metadata.EnumerateObject())
        {
            texts[property.Name] = property.Value.GetString()!;
        }

        return texts;
    }
}

/// <summary>A tensor and where its data lies, counted from the end of the header.</summary>
internal readonly record struct PlacedTensor(TensorEntry Entry, long Begin, long End);

/// <summary>Reads what a header says of one tensor.</summary>
internal readonly struct TensorHeader(string file, JsonProperty property)
{
    /// <exception cref="StateFileException">A part is missing or malformed, or size and shape differ.</exception>
    public PlacedTensor Read()
    {
        if (property.Value.ValueKind != JsonValueKind.Object)
        {
            throw Fault("is not described by an object");
        }

        var entry = new TensorEntry(property.Name, ReadType(), ReadNumbers("shape"));
        var offsets = ReadNumbers("data_offsets");
        if (offsets.Length != 2)
        {
            throw Fault($"data_offsets has {offsets.Length} numbers, where it needs 2");
        }

        var bytes = ByteLength(entry);
        return offsets[1] - offsets[0] == bytes
            ? new PlacedTensor(entry, offsets[0], offsets[1])
            : throw Fault(
                $"shape [{string.Join(", ", entry.Shape)}] needs {bytes} bytes, but data_offsets gives {offsets[1] - offsets[0]}");
    }

    private ElementType ReadType()
    {
        if (!property.Value.TryGetProperty("dtype", out var type) || type.ValueKind != JsonValueKind.String)
        {
            throw Fault("has no dtype");
        }

        return Safetensors.TypeOf(type.GetString()!)
            ?? throw Fault($"has the dtype {type.GetString()}; supported are {Safetensors.KnownTypes}");
    }

    private long[] ReadNumbers(string name)
    {
        if (!property.Value.TryGetProperty(name, out var array) || array.ValueKind != JsonValueKind.Array)
        {
            throw Fault($"has no {name}");
        }

        var fault = Fault($"{name} is not a list of whole numbers from 0 on");
        return [.. array.EnumerateArray().Select(item =>
            item.ValueKind == JsonValueKind.Number && item.TryGetInt64(out var number) && number >= 0 ? number : throw fault)];
    }

    private long ByteLength(TensorEntry entry)
    {
        try
        {
            return entry.ByteLength;
        }
        catch (OverflowException e)
        {
            throw new StateFileException(
                $"{file}: tensor {entry.Name}: shape [{string.Join(", ", entry.Shape)}] is more than any file can hold", e);
        }
    }

    private StateFileException Fault(string what) => new($"{file}: tensor {property.Name}: {what}");
}
