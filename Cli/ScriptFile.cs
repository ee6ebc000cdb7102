using CnnCluster.Dsl;
using CnnCluster.Trainer;

namespace CnnCluster.Cli;

/// <summary>A script on disk, and the part of it that <c>FILE:NAME</c> picks.</summary>
internal sealed record ScriptFile(Source Source, string? Part)
{
    private const string StandardInput = "-";
    private const string StandardInputName = "<stdin>";

    /// <exception cref="UserException">The file cannot be read.</exception>
    public static ScriptFile Read(string argument)
    {
        if (argument == StandardInput)
        {
            return new ScriptFile(new Source(StandardInputName, Console.In.ReadToEnd()), null);
        }

        var colon = argument.LastIndexOf(':');
        return colon > 1 && !File.Exists(argument)
            ? new ScriptFile(ReadText(argument[..colon]), argument[(colon + 1)..])
            : new ScriptFile(ReadText(argument), null);
    }

    /// <summary>The result's value; what is wrong is said on standard error, and ends the command.</summary>
    /// <exception cref="WrongScriptException">There are errors.</exception>
    public static T ValueOf<T>(ScriptResult<T> result)
        where T : class
    {
        if (result.Diagnostics.Count > 0)
        {
            Console.Error.WriteLine(result.Text);
        }

        return result.Value ?? throw new WrongScriptException();
    }

    /// <summary>Reads what scripts import, relative to the file that imports it.</summary>
    public static readonly Importer Importer = Import;

    private static Imported Import(string importing, string path)
    {
        var folder = importing == StandardInputName ? "" : Path.GetDirectoryName(importing) ?? "";
        var file = Path.GetRelativePath(Directory.GetCurrentDirectory(), Path.GetFullPath(Path.Combine(folder, path)));
        try
        {
            return Imported.NewReadable(new Source(file, File.ReadAllText(file)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return Imported.NewUnreadable(e.Message);
        }
    }

    private static Source ReadText(string path)
    {
        try
        {
            return new Source(path, File.ReadAllText(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path} cannot be read: {e.Message}", e);
        }
    }
}

/// <summary>A script is wrong, and standard error has said so.</summary>
internal sealed class WrongScriptException : Exception;
