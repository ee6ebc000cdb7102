using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace CnnCluster.Trainer.Storage;

/// <summary>Files that are either whole or not there, also after a crash or a power failure.</summary>
public static partial class AtomicFile
{
    /// <summary>
    /// Writes beside the destination, flushes to the disk and renames over it. A writer that fails leaves what was
    /// there before; only a process that is killed in between can leave its temporary file, <c>.NAME.*.tmp</c>.
    /// A file that is there already keeps its permissions.
    /// </summary>
    /// <param name="path">The destination; its folder must exist.</param>
    /// <param name="write">Writes the content.</param>
    /// <exception cref="IOException">The file system refuses.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        var full = Path.GetFullPath(path);
        var folder = Path.GetDirectoryName(full) ?? throw new ArgumentException($"{path} is no file's path", nameof(path));
        var temporary = Path.Combine(folder, $".{Path.GetFileName(full)}.{Guid.NewGuid():N}.tmp");
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            KeepMode(full, temporary);
            File.Move(temporary, full, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }

        FlushFolder(folder);
    }

    private static void KeepMode(string present, string replacement)
    {
        if (!OperatingSystem.IsWindows() && File.Exists(present))
        {
            File.SetUnixFileMode(replacement, File.GetUnixFileMode(present));
        }
    }

    /// <summary>
    /// Makes the rename itself last: on Unix a folder is flushed like a file, but .NET opens no folders, so that one
    /// call goes to the C library. Windows journals renames and has no such call.
    /// </summary>
    private static void FlushFolder(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        var descriptor = Open(folder, ReadOnly);
        if (descriptor < 0)
        {
            throw new IOException($"{folder} cannot be opened for flushing: {Marshal.GetLastPInvokeErrorMessage()}");
        }

        using var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        RandomAccess.FlushToDisk(handle);
    }

    private const int ReadOnly = 0;

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);
}
