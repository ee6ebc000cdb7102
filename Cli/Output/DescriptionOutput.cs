using System.Globalization;
using System.Text.Json;
using CnnCluster.Dsl;
using Spectre.Console;

namespace CnnCluster.Cli.Output;

/// <summary>A network's description as a table and as JSON.</summary>
internal static class DescriptionOutput
{
    private static readonly JsonSerializerOptions Format = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>A column; those that a network has nothing to say in are left out.</summary>
    private sealed record Column(string Title, bool IsNumber, Func<LayerDescription, string> Text);

    public static void Show(IAnsiConsole console, NetworkDescription network)
    {
        var table = new Table { Border = TableBorder.Minimal, Title = new TableTitle(Markup.Escape($"{network.Network}, {Inputs(network)}")) };
        var columns = Columns(network).ToList();
        foreach (var column in columns)
        {
            var title = new TableColumn(column.Title);
            table.AddColumn(column.IsNumber ? title.RightAligned() : title);
        }

        foreach (var layer in network.Layers)
        {
            table.AddRow([.. columns.Select(column => Markup.Escape(column.Text(layer)))]);
        }

        console.Write(table);
        foreach (var line in Totals(network))
        {
            console.WriteLine(line);
        }
    }

    public static string Json(NetworkDescription network) => JsonSerializer.Serialize(
        new
        {
            network.Network,
            Inputs = network.Inputs.Select(static input => new { input.Name, input.Shape }),
            Outputs = network.Outputs.Select(static output => new { Name = output.Item1, Layer = output.Item2 }),
            Layers = network.Layers.Select(static l => new
            {
                l.Name,
                l.Kind,
                l.Inputs,
                l.Output,
                l.ActivationBytes,
                l.Parameters,
                l.Trainable,
                l.MultiplyAdds,
                l.ReceptiveField,
                WeightsOf = l.WeightsOf.Length > 0 ? l.WeightsOf : null,
            }),
            network.Parameters,
            network.Trainable,
            network.MultiplyAdds,
            network.ActivationBytes,
        },
        Format);

    private static IEnumerable<Column> Columns(NetworkDescription network)
    {
        yield return new Column("Layer", false, static layer => layer.Name);
        if (!network.IsChain)
        {
            yield return new Column("Inputs", false, static layer => layer.FollowsLineAbove ? "" : string.Join(", ", layer.Inputs));
        }

        if (network.Layers.Any(static layer => layer.Activation.Length > 0))
        {
            yield return new Column("Activation", false, static layer => layer.Activation);
        }

        yield return new Column("Output", false, static layer => layer.OutputText);
        yield return new Column("Parameters", true, Parameters);
        if (network.Trainable != network.Parameters)
        {
            yield return new Column("Trainable", true, static layer => layer.WeightsOf.Length > 0 ? "" : Number(layer.Trainable));
        }

        yield return new Column("Multiply-adds", true, static layer => Number(layer.MultiplyAdds));
        yield return new Column("Activations", true, static layer => Bytes(layer.ActivationBytes));
        yield return new Column("Receptive field", true, static layer => Field(layer.ReceptiveField));
    }

    private static string Parameters(LayerDescription layer) =>
        layer.WeightsOf.Length > 0 ? $"those of {layer.WeightsOf}" : Number(layer.Parameters);

    private static string Inputs(NetworkDescription network) => network.Inputs.Count == 1
        ? $"input {network.Inputs[0].ShapeText}"
        : "inputs " + string.Join(", ", network.Inputs.Select(static input => $"{input.Name} {input.ShapeText}"));

    private static IEnumerable<string> Totals(NetworkDescription network)
    {
        if (network.Outputs.Count > 1)
        {
            yield return "outputs " + string.Join(", ", network.Outputs.Select(static output => $"{output.Item1} ({output.Item2})"));
        }

        var fixedCount = network.Parameters - network.Trainable;
        var notTrained = fixedCount > 0 ? $", {Number(fixedCount)} not trained" : "";
        yield return $"{Number(network.Parameters)} parameters ({Number(network.Trainable)} trainable{notTrained})";
        yield return $"{Number(network.MultiplyAdds)} multiply-adds and {Bytes(network.ActivationBytes)} of activations for one sample";
    }

    private static string Number(long? count) => count?.ToString("N0", CultureInfo.InvariantCulture) ?? "?";

    private static string Bytes(long? bytes) => bytes switch
    {
        null => "?",
        < 10_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes:N0} B"),
        < 10_000 * 1024 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1024.0:N1} KiB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / (1024.0 * 1024.0):N1} MiB"),
    };

    private static string Field(IReadOnlyList<long?> sides) =>
        string.Join('x', sides.Select(static side => side?.ToString(CultureInfo.InvariantCulture) ?? "?"));
}
