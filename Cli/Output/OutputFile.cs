using System.Text;
using CnnCluster.Trainer;
using CnnCluster.Trainer.Storage;

namespace CnnCluster.Cli.Output;

/// <summary>Texts that a command writes where the user says.</summary>
internal static class OutputFile
{
    private static readonly UTF8Encoding Encoding = new(encoderShouldEmitUTF8Identifier: false);

    /// <summary>Replaces a file whole or not at all. A link stays a link: the file that it leads to is written.</summary>
    /// <exception cref="UserException">It cannot be written.</exception>
    public static void Write(string file, string text)
    {
        try
        {
            var path = Destination(file);
            if (File.Exists(path) && File.GetAttributes(path).HasFlag(FileAttributes.ReadOnly))
            {
                throw new UserException($"{file} is left as it is: it may not be written.");
            }

            AtomicFile.Write(path, stream => stream.Write(Encoding.GetBytes(text)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new UserException($"{file} cannot be written: {e.Message}", e);
        }
    }

    private static string Destination(string file) =>
        new FileInfo(file).LinkTarget is null ? file : File.ResolveLinkTarget(file, returnFinalTarget: true)!.FullName;
}
