using System.CommandLine;
using CnnCluster.Dsl;

namespace CnnCluster.Cli;

/// <summary>What is said of a command line that cannot be read.</summary>
internal static class WrongWords
{
    /// <returns>The exit code.</returns>
    public static int Say(ParseResult parse)
    {
        var command = parse.CommandResult.Command;
        var way = string.Join(' ', WayTo(parse).Append("--help"));

        // What follows a word that is no command means nothing either.
        IEnumerable<string> wrong = command.Subcommands.Count > 0 && parse.UnmatchedTokens.Count > 0
            ? [NoCommand(parse.UnmatchedTokens[0], command)]
            : parse.Errors.Select(static error => error.Message.TrimEnd('.')).Distinct();
        foreach (var message in wrong)
        {
            Console.Error.WriteLine($"cnn: {message}");
        }

        Console.Error.WriteLine($"'{way}' says what there is");
        return ExitCode.WrongInput;
    }

    private static string NoCommand(string word, Command command)
    {
        var meant = Suggestion.closest(word, command.Subcommands.Select(static sub => sub.Name));
        return $"there is no command '{word}'" + (meant is null ? "" : $"; did you mean '{meant.Value}'?");
    }

    /// <summary>The words of the command line that name the command.</summary>
    private static IEnumerable<string> WayTo(ParseResult parse)
    {
        var names = new Stack<string>();
        for (var result = parse.CommandResult; result.Parent is System.CommandLine.Parsing.CommandResult parent; result = parent)
        {
            names.Push(result.Command.Name);
        }

        return names.Prepend("cnn");
    }
}
