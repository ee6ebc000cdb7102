using System.Globalization;
using System.Text.Json;
using CnnCluster.Dsl;
using Spectre.Console;

namespace CnnCluster.Cli.Output;

/// <summary>A network's description as a table and as JSON.</summary>
internal static class DescriptionOutput
{
    private static readonly JsonSerializerOptions Format = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static void Show(IAnsiConsole console, NetworkDescription network)
    {
        var table = new Table { Border = TableBorder.Minimal, Title = new TableTitle(Markup.Escape($"{network.Network}, {Inputs(network)}")) };
        table.AddColumns("Layer", "Activation", "Output");
        foreach (var title in new[] { "Parameters", "Multiply-adds", "Activations", "Receptive field" })
        {
            table.AddColumn(new TableColumn(title).RightAligned());
        }

        foreach (var layer in network.Layers)
        {
            table.AddRow(
                Markup.Escape(layer.Name), Markup.Escape(layer.Activation), layer.OutputText, Number(layer.Parameters),
                Number(layer.MultiplyAdds), Bytes(layer.ActivationBytes), Field(layer.ReceptiveField));
        }

        console.Write(table);
        console.WriteLine($"{Number(network.Parameters)} parameters ({Number(network.Trainable)} trainable), {Number(network.MultiplyAdds)} multiply-adds for one sample");
    }

    public static string Json(NetworkDescription network) => JsonSerializer.Serialize(
        new
        {
            network.Network,
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
            }),
            network.Parameters,
            network.Trainable,
            network.MultiplyAdds,
        },
        Format);

    private static string Inputs(NetworkDescription network) => network.Inputs.Count == 1
        ? $"input {network.Inputs[0].Item2}"
        : "inputs " + string.Join(", ", network.Inputs.Select(static input => $"{input.Item1} {input.Item2}"));

    private static string Number(long? count) => count?.ToString("N0", CultureInfo.InvariantCulture) ?? "?";

    private static string Bytes(long? bytes) => bytes switch
    {
        null => "?",
        < 10_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes:N0} B"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1024.0:N1} KiB"),
    };

    private static string Field(IReadOnlyList<int?> sides) =>
        string.Join('x', sides.Select(static side => side?.ToString(CultureInfo.InvariantCulture) ?? "?"));
}
