using System.Text;
using CnnCluster.Trainer;
using CnnCluster.Trainer.Storage;

namespace CnnCluster.Cli.Output;

/// <summary>Texts that a command writes where the user says.</summary>
internal static class OutputFile
{
    private static readonly UTF8Encoding Encoding = new(encoderShouldEmitUTF8Identifier: false);

    /// <summary>Replaces a file whole or not at all, as <see cref="AtomicFile"/> does.</summary>
    /// <exception cref="UserException">It cannot be written.</exception>
    public static void Write(string file, string text)
    {
        try
        {
            if (IsReadOnly(file))
            {
                throw new UserException($"{file} is left as it is: it may not be written.");
            }

            AtomicFile.Write(file, stream => stream.Write(Encoding.GetBytes(text)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new UserException($"{file} cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Of a link: whether what it leads to is. A superuser may write it all the same, but it was not meant.</summary>
    private static bool IsReadOnly(string file)
    {
        var target = new FileInfo(file).LinkTarget is null ? file : File.ResolveLinkTarget(file, returnFinalTarget: true)!.FullName;
        return File.Exists(target) && File.GetAttributes(target).HasFlag(FileAttributes.ReadOnly);
    }
}
