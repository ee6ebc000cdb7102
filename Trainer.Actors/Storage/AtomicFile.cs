using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace CnnCluster.Trainer.Storage;

/// <summary>Files that are either whole or not there, also after a crash or a power failure.</summary>
public static partial class AtomicFile
{
    /// <summary>
    /// Writes beside the destination, flushes to the disk and renames over it. A writer that fails leaves what was
    /// there before; only a process that is killed in between can leave its temporary file, <c>.NAME.*.tmp</c>.
    /// A file that is there already keeps its permissions. A symbolic link is followed: the file that it leads to is
    /// replaced. What is no regular file, a device or a pipe, is written to as it stands.
    /// </summary>
    /// <param name="path">The destination; its folder must exist.</param>
    /// <param name="write">Writes the content.</param>
    /// <exception cref="IOException">The file system refuses.</exception>
    /// <exception cref="UnauthorizedAccessException">The destination, or its folder, may not be written.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        using (var present = OpenPresent(path))
        {
            if (present is not null && IsSpecial(present.SafeFileHandle))
            {
                write(present);
                return;
            }
        }

        Replace(Destination(path), write);
    }

    /// <summary>Unix only, where devices and pipes have names among the files. No lock is taken: readers of the old file are not in the way of a rename.</summary>
    private static FileStream? OpenPresent(string path)
    {
        try
        {
            return !OperatingSystem.IsWindows() && File.Exists(path)
                ? new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete)
                : null;
        }
        catch (FileNotFoundException)
        {
            // A link to a file that is not there yet.
            return null;
        }
    }

    private static string Destination(string path) =>
        new FileInfo(path).LinkTarget is null ? path : File.ResolveLinkTarget(path, returnFinalTarget: true)!.FullName;

    private static void Replace(string path, Action<Stream> write)
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

    /// <summary>
    /// Whether it is a device or a pipe: fsync refuses those with EINVAL (POSIX). .NET has no call that tells them from
    /// files, and its own flush keeps the refusal to itself.
    /// </summary>
    private static bool IsSpecial(SafeFileHandle handle) => Flush(handle) < 0 && Marshal.GetLastPInvokeError() == InvalidArgument;

    private const int ReadOnly = 0;

    private const int InvalidArgument = 22;

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Flush(SafeFileHandle handle);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);
}
