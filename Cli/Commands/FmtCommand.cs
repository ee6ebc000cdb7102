using System.CommandLine;
using System.Text;
using CnnCluster.Cli.Output;
using CnnCluster.Dsl;
using CnnCluster.Trainer;

namespace CnnCluster.Cli.Commands;

/// <summary><c>cnn fmt FILE…</c>: rewrites scripts to their canonical form, comments kept.</summary>
internal static class FmtCommand
{
    private const char ByteOrderMark = '\uFEFF';

    /// <summary>UTF-8 that refuses other bytes: what could not be read would be lost on writing.</summary>
    private static readonly UTF8Encoding Encoding = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static Command Create()
    {
        var files = new Argument<string[]>("FILE")
        {
            Description = "Network scripts, rewritten in place; - reads standard input and writes standard output",
            Arity = ArgumentArity.OneOrMore,
        };
        var check = new Option<bool>("--check") { Description = "Change nothing; list the files that would change, with the exit code 1" };
        var command = new Command("fmt", "Rewrite scripts to their canonical form, comments kept") { files, check };
        command.SetAction(parse => Run(parse.GetValue(files)!, parse.GetValue(check)));
        return command;
    }

    /// <summary>One that cannot be formatted does not keep the others from it.</summary>
    private static int Run(string[] files, bool check)
    {
        var code = ExitCode.Success;
        foreach (var file in files)
        {
            code = Math.Max(code, Guarded(file, check));
        }

        return code;
    }

    private static int Guarded(string file, bool check)
    {
        try
        {
            return Format(file, check);
        }
        catch (UserException e)
        {
            return Guard.Say(e.Message, ExitCode.WrongInput);
        }
    }

    private static int Format(string file, bool check)
    {
        var fromInput = file == ScriptFile.StandardInput;
        var name = fromInput ? ScriptFile.StandardInputName : file;
        var text = Read(file, name);
        var formatted = Formatter.Format(new Source(name, text.StartsWith(ByteOrderMark) ? text[1..] : text));
        if (formatted.Text is not { } canonical)
        {
            Console.Error.WriteLine(formatted.Report);
            return ExitCode.WrongInput;
        }

        if (check)
        {
            return Differs(name, text, canonical);
        }

        if (fromInput)
        {
            StandardOutput.Write(Encoding.GetBytes(canonical));
        }
        else if (canonical != text)
        {
            OutputFile.Write(file, canonical);
        }

        return ExitCode.Success;
    }

    private static int Differs(string name, string text, string canonical)
    {
        if (canonical == text)
        {
            return ExitCode.Success;
        }

        Console.WriteLine(name);
        return ExitCode.Failed;
    }

    private static string Read(string file, string name)
    {
        try
        {
            using var stream = file == ScriptFile.StandardInput ? Console.OpenStandardInput() : File.OpenRead(file);
            using var reader = new StreamReader(stream, Encoding, detectEncodingFromByteOrderMarks: false);
            return ScriptFile.ReadText(reader);
        }
        catch (DecoderFallbackException e)
        {
            throw new UserException($"{name} is left as it is: it is no UTF-8 text.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{name} cannot be read: {e.Message}", e);
        }
    }
}
