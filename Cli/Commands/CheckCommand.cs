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

    private static int Run(string[] files, bool json)
    {
        var wrong = false;
        foreach (var file in files)
        {
            var script = ScriptFile.Read(file);
            var result = Script.Check(script.Source, TrainingCatalogues.All, ScriptFile.Importer);
            if (script.Part is { } part && !Script.Names(script.Source, ScriptFile.Importer).Contains(part))
            {
                throw new UserException($"{script.Source.File} has no network or train part '{part}'.");
            }

            wrong |= result.HasErrors;
            if (json)
            {
                Print(result.Diagnostics);
            }
            else if (result.Diagnostics.Count > 0)
            {
                Console.Error.WriteLine(result.Text);
            }
        }

        return wrong ? ExitCode.WrongInput : ExitCode.Success;
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
