using System.Globalization;
using System.Text.Json;
using CnnCluster.Trainer.Training;
using Spectre.Console;

namespace CnnCluster.Cli.Output;

/// <summary>An evaluation as a table and as JSON.</summary>
internal static class EvaluationOutput
{
    public static void Show(IAnsiConsole console, Evaluation evaluation, string weights)
    {
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{weights}, {evaluation.Samples:N0} samples"));
        foreach (var (name, value) in evaluation.Values)
        {
            console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: {value:F4}"));
        }

        foreach (var (weight, loss) in evaluation.RegularizationLosses)
        {
            console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"regularization {weight}: {loss:F4}"));
        }

        foreach (var confusion in evaluation.Confusions)
        {
            console.WriteLine($"{confusion.Name}, by label (row) and prediction (column):");
            console.Write(Table(confusion.Counts));
        }
    }

    public static string Json(Evaluation evaluation, string weights)
    {
        var result = new Dictionary<string, object> { ["weights"] = weights, ["samples"] = evaluation.Samples };
        foreach (var (name, value) in evaluation.Values)
        {
            result[name] = value;
        }

        if (evaluation.RegularizationLosses.Count > 0)
        {
            result["regularization_losses"] = evaluation.RegularizationLosses;
        }

        foreach (var confusion in evaluation.Confusions)
        {
            result[confusion.Name] = confusion.Counts;
        }

        return JsonSerializer.Serialize(result);
    }

    private static Table Table(int[][] confusion)
    {
        var table = new Table { Border = TableBorder.Minimal };
        table.AddColumn("");
        for (var prediction = 0; prediction < confusion.Length; prediction++)
        {
            table.AddColumn(new TableColumn(Text(prediction)).RightAligned());
        }

        foreach (var (label, row) in confusion.Index())
        {
            table.AddRow([Text(label), .. row.Select(static (count) => count == 0 ? "." : Text(count))]);
        }

        return table;
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
