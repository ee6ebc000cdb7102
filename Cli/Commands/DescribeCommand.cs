using System.CommandLine;
using CnnCluster.Cli.Output;
using CnnCluster.Dsl;
using CnnCluster.Trainer;
using CnnCluster.Trainer.Training;

namespace CnnCluster.Cli.Commands;

/// <summary><c>cnn describe FILE</c>: shapes, parameters, costs and receptive fields, as a table, JSON or a drawing.</summary>
internal static class DescribeCommand
{
    /// <summary>In place of a file's name: standard output.</summary>
    private const string StandardOutput = "-";

    public static Command Create()
    {
        var script = CommonOptions.Script();
        var input = new Option<string?>("--input") { Description = "Fills in the sides that the script leaves open, as in 224x224x3; several inputs with commas between", HelpName = "SHAPE" };
        var depth = new Option<int?>("--depth") { Description = "Shows uses of blocks deeper than N as one: 1 folds every block", HelpName = "N" };
        var json = CommonOptions.Json();
        var svg = new Option<string?>("--svg") { Description = "Draws the network into an SVG file; - is standard output", HelpName = "OUT" };
        var dot = new Option<string?>("--dot") { Description = "Writes the network as a graph for Graphviz; - is standard output", HelpName = "OUT" };
        var command = new Command("describe", "Show a network's layers: shapes, parameters, multiply-adds, receptive fields; or draw them") { script, input, depth, json, svg, dot };
        command.SetAction(parse => Run(
            parse.GetValue(script)!, parse.GetValue(input), parse.GetValue(depth), parse.GetValue(json), parse.GetValue(svg), parse.GetValue(dot)));
        return command;
    }

    private static int Run(string file, string? input, int? depth, bool json, string? svg, string? dot)
    {
        if (depth < 1)
        {
            throw new UserException($"--depth is 1 at least, not {depth}.");
        }

        if ((json ? 1 : 0) + (svg == StandardOutput ? 1 : 0) + (dot == StandardOutput ? 1 : 0) > 1)
        {
            throw new UserException("Only one of --json, --svg - and --dot - can go to standard output.");
        }

        var plan = PlanOf(file, input);
        if (svg is not null)
        {
            Write(svg, NetworkDrawing.svg(depth, plan));
        }

        if (dot is not null)
        {
            Write(dot, NetworkDrawing.dot(depth, plan));
        }

        if (json)
        {
            Console.WriteLine(DescriptionOutput.Json(Description.folded(depth, plan)));
        }
        else if (svg is null && dot is null)
        {
            DescriptionOutput.Show(Terminal.Output(), Description.folded(depth, plan));
        }

        return ExitCode.Success;
    }

    private static NetworkPlan PlanOf(string file, string? input)
    {
        var script = ScriptFile.Read(file);
        var shapes = ShapesOf(input);
        var plan = ScriptFile.ValueOf(Script.Network(script.Source, script.Part, shapes, TrainingCatalogues.All, ScriptFile.Importer));
        if (shapes.Count > plan.Inputs.Length)
        {
            throw new UserException($"--input names {shapes.Count} shapes, but the network '{plan.Name}' has {plan.Inputs.Length} inputs.");
        }

        foreach (var (given, own) in shapes.Zip(plan.Inputs))
        {
            if (!given.Equals(own.Shape))
            {
                throw new UserException($"--input {ShapeModule.text(given)} does not fit the input '{own.Name}' of {own.Shape.Channels} channels: it fills in what the script leaves open, and would come to {ShapeModule.text(own.Shape)}.");
            }
        }

        return plan;
    }

    private static void Write(string path, string text)
    {
        if (path == StandardOutput)
        {
            Console.Write(text);
            return;
        }

        OutputFile.Write(path, text);
    }

    private static IReadOnlyList<Shape> ShapesOf(string? text) => text is null
        ? []
        : [.. text.Split(',').Select(static part => ShapeModule.ofText(part)
            ?? throw new UserException($"--input takes a shape such as 224x224x3, or one for each input with commas between; '{part}' is none."))];
}
