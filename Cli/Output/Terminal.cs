using Spectre.Console;

namespace CnnCluster.Cli.Output;

/// <summary>The two streams as Spectre sees them; colours follow NO_COLOR and whether a terminal is there.</summary>
internal static class Terminal
{
    /// <summary>Where no terminal says how wide it is, lines are not broken.</summary>
    private const int WidthOfFiles = 200;

    public static IAnsiConsole Output() => Create(Console.Out, Console.IsOutputRedirected);

    /// <param name="isStructured">Standard error is for programs.</param>
    public static IAnsiConsole Error(bool isStructured = false) => Create(Console.Error, isStructured || Console.IsErrorRedirected);

    private static IAnsiConsole Create(TextWriter writer, bool redirected)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(writer),
            Interactive = redirected ? InteractionSupport.No : InteractionSupport.Detect,
            Ansi = redirected ? AnsiSupport.No : AnsiSupport.Detect,
        });
        if (redirected)
        {
            console.Profile.Width = WidthOfFiles;
        }

        return console;
    }
}
