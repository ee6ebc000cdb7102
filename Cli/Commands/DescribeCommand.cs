using System.CommandLine;
using CnnCluster.Cli.Output;
using CnnCluster.Dsl;
using CnnCluster.Trainer;
using CnnCluster.Trainer.Training;

namespace CnnCluster.Cli.Commands;

/// <summary><c>cnn describe FILE</c>: shapes, parameters, costs and receptive fields.</summary>
internal static class DescribeCommand
{
    public static Command Create()
    {
        var script = CommonOptions.Script();
        var input = new Option<string?>("--input") { Description = "Fills in the sides that the script leaves open, as in 224x224x3; several inputs with commas between", HelpName = "SHAPE" };
        var json = CommonOptions.Json();
        var command = new Command("describe", "Show a network's layers: shapes, parameters, multiply-adds, receptive fields") { script, input, json };
        command.SetAction(parse => Run(parse.GetValue(script)!, parse.GetValue(input), parse.GetValue(json)));
        return command;
    }

    private static int Run(string file, string? input, bool json)
    {
        var script = ScriptFile.Read(file);
        var shapes = ShapesOf(input);
        var plan = ScriptFile.ValueOf(Script.Network(script.Source, script.Part, shapes, TrainingCatalogues.All, ScriptFile.Importer));
        foreach (var (given, own) in shapes.Zip(plan.Inputs))
        {
            if (!given.Equals(own.Shape))
            {
                throw new UserException($"--input {ShapeModule.text(given)} does not fit the script's input, {ShapeModule.text(own.Shape)}: it fills in open sides only.");
            }
        }

        var description = Description.ofPlan(plan);
        if (json)
        {
            Console.WriteLine(DescriptionOutput.Json(description));
        }
        else
        {
            DescriptionOutput.Show(Terminal.Output(), description);
        }

        return ExitCode.Success;
    }

    private static IReadOnlyList<Shape> ShapesOf(string? text) => text is null
        ? []
        : [.. text.Split(',').Select(static part => ShapeModule.ofText(part)
            ?? throw new UserException($"--input takes a shape such as 224x224x3, or one for each input with commas between; '{part}' is none."))];
}
