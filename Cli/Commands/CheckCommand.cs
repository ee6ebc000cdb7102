using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using CnnCluster.Dsl;
using CnnCluster.Trainer;
using CnnCluster.Trainer.Training;

namespace CnnCluster.Cli.Commands;

/// <summary><c>cnn check FILE…</c>: every mistake, with its place; silent and 0 when right.</summary>
internal static class CheckCommand
{
    private static readonly JsonSerializerOptions Format = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static Command Create()
    {
        var files = new Argument<string[]>("FILE") { Description = "Network scripts; - reads standard input", Arity = ArgumentArity.OneOrMore };
        var json = CommonOptions.Json();
        var command = new Command("check", "Report every mistake in scripts, with its place") { files, json };
        command.SetAction(parse => Run(parse.GetValue(files)!, parse.GetValue(json)));
        return command;
    }

    /// <summary>One that cannot be read does not keep the others from being checked.</summary>
    private static int Run(string[] files, bool json)
    {
        var code = ExitCode.Success;
        foreach (var file in files)
        {
            code = Math.Max(code, Guarded(file, json));
        }

        return code;
    }

    private static int Guarded(string file, bool json)
    {
        try
        {
            return Check(file, json);
        }
        catch (UserException e)
        {
            return Guard.Say(e.Message, ExitCode.WrongInput);
        }
    }

    private static int Check(string file, bool json)
    {
        var script = ScriptFile.Read(file);
        var result = Script.Check(script.Source, TrainingCatalogues.All, ScriptFile.Importer);
        if (script.Part is { } part && !Script.Names(script.Source, ScriptFile.Importer).Contains(part))
        {
            throw new UserException($"{script.Source.File} has no network or train part '{part}'.");
        }

        if (json)
        {
            Print(result.Diagnostics);
        }
        else if (result.Diagnostics.Count > 0)
        {
            Console.Error.WriteLine(result.Text);
        }

        return result.HasErrors ? ExitCode.WrongInput : ExitCode.Success;
    }

    /// <summary>One object a line, as editors read it.</summary>
    private static void Print(IEnumerable<Diagnostic> diagnostics)
    {
        foreach (var d in diagnostics)
        {
            Console.WriteLine(JsonSerializer.Serialize(
                new
                {
                    d.Span.File,
                    d.Span.Start.Line,
                    d.Span.Start.Column,
                    EndLine = d.Span.End.Line,
                    EndColumn = d.Span.End.Column,
                    Severity = d.Severity.IsError ? "error" : "warning",
                    d.Message,
                    Expected = d.Expected?.Value,
                    Suggestion = d.Suggestion?.Value,
                    Uses = d.Uses.Select(static use => new
                    {
                        Name = use.Item1,
                        use.Item2.File,
                        use.Item2.Start.Line,
                        use.Item2.Start.Column,
                    }),
                },
                Format));
        }
    }
}
