using System.CommandLine;
using CnnCluster.Cli.Output;
using CnnCluster.Dsl;
using CnnCluster.Trainer;

namespace CnnCluster.Cli.Commands;

/// <summary><c>cnn describe FILE</c>: shapes, parameters, costs and receptive fields.</summary>
internal static class DescribeCommand
{
    public static Command Create()
    {
        var script = CommonOptions.Script();
        var input = new Option<string?>("--input") { Description = "Fills in the sides that the script leaves open, as in 224x224x3", HelpName = "SHAPE" };
        var json = CommonOptions.Json();
        var command = new Command("describe", "Show a network's layers: shapes, parameters, multiply-adds, receptive fields") { script, input, json };
        command.SetAction(parse => Run(parse.GetValue(script)!, parse.GetValue(input), parse.GetValue(json)));
        return command;
    }

    private static int Run(string file, string? input, bool json)
    {
        var script = ScriptFile.Read(file);
        var shape = ShapeOf(input);
        var plan = ScriptFile.ValueOf(Script.Network(script.Source, script.Part, shape));
        if (shape is not null && !shape.Equals(plan.Inputs.Head.Shape))
        {
            throw new UserException($"--input {input} does not fit the script's input, {ShapeModule.text(plan.Inputs.Head.Shape)}: it fills in open sides only.");
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

    private static Shape? ShapeOf(string? text) => text is null
        ? null
        : ShapeModule.ofText(text) ?? throw new UserException($"--input takes a shape such as 224x224x3; '{text}' is none.");
}
