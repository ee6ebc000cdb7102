using System.Collections.Concurrent;
using CnnCluster.Dsl;
using CnnCluster.Trainer;

namespace CnnCluster.Cli;

/// <summary>A script on disk, and the part of it that <c>FILE:NAME</c> picks.</summary>
internal sealed record ScriptFile(Source Source, string? Part)
{
    /// <summary>What stands for standard input on the command line.</summary>
    public const string StandardInput = "-";

    /// <summary>Its name in messages.</summary>
    public const string StandardInputName = "<stdin>";

    /// <summary>Reads what scripts import, relative to the file that imports it.</summary>
    public static readonly Importer Importer = Import;

    private static readonly ConcurrentDictionary<string, string> Names = new(StringComparer.Ordinal);

    /// <exception cref="UserException">The file cannot be read.</exception>
    public static ScriptFile Read(string argument)
    {
        if (argument == StandardInput)
        {
            return new ScriptFile(new Source(StandardInputName, ReadText(Console.In)), null);
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

    /// <summary>
    /// A script's text; of one that is too long, no more than it takes to say so, a byte order mark not counted.
    /// </summary>
    public static string ReadText(TextReader reader)
    {
        var buffer = new char[Limits.LongestScript + 2];
        return new string(buffer, 0, reader.ReadBlock(buffer));
    }

    private static Imported Import(string importing, string path)
    {
        if (string.IsNullOrWhiteSpace(path)) return Imported.NewUnreadable("the path is empty");
        var folder = importing == StandardInputName ? "" : Path.GetDirectoryName(importing) ?? "";
        try
        {
            return Imported.NewReadable(Open(Path.Combine(folder, path)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return Imported.NewUnreadable(e.Message);
        }
    }

    /// <summary>The file under the name it was first reached by, so that it is known again however it is reached.</summary>
    private static Source Open(string path)
    {
        var full = Path.GetFullPath(path);
        if (Directory.Exists(full)) throw new IOException($"'{path}' is a folder.");
        var name = Names.GetOrAdd(full, Path.IsPathRooted(path) ? full : Path.GetRelativePath(Directory.GetCurrentDirectory(), full));
        using var reader = new StreamReader(name);
        return new Source(name, ReadText(reader));
    }

    private static Source ReadText(string path)
    {
        try
        {
            return Open(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path} cannot be read: {e.Message}", e);
        }
    }
}

/// <summary>A script is wrong, and standard error has said so.</summary>
internal sealed class WrongScriptException : Exception;
