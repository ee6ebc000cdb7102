using System.CommandLine;
using CnnCluster.Cli.Output;
using CnnCluster.Dsl;
using CnnCluster.Trainer;
using CnnCluster.Trainer.Training;

namespace CnnCluster.Cli.Commands;

/// <summary><c>cnn help WORD</c>: what a word of the language means, from the catalogues; alone, all words.</summary>
internal static class HelpCommand
{
    public static Command Create()
    {
        var word = new Argument<string?>("WORD")
        {
            Description = "A layer, an activation, a setting, a statement: any word of the language",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var command = new Command("help", "Explain a word of the network language, or list all of them") { word };
        command.SetAction(parse => Run(parse.GetValue(word)));
        return command;
    }

    private static int Run(string? word)
    {
        var entries = Reference.entries(TrainingCatalogues.All);
        var console = Terminal.Output();
        if (word is null)
        {
            HelpOutput.List(console, entries);
            return ExitCode.Success;
        }

        var meanings = Reference.named(entries, word);
        var arguments = Reference.withArgument(entries, word);
        if (meanings.Count + arguments.Count == 0)
        {
            throw new UserException(Unknown(word, Reference.closest(entries, word)));
        }

        HelpOutput.Show(console, meanings, arguments);
        return ExitCode.Success;
    }

    private static string Unknown(string word, string? closest) => closest is null
        ? $"no word of the language is called '{word}'; cnn help lists them all."
        : $"no word of the language is called '{word}'. Did you mean '{closest}'?";
}
