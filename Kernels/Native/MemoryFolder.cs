namespace CnnCluster.Kernels.Native;

/// <summary>Where files go that processes of one host share as memory.</summary>
internal static class MemoryFolder
{
    private const string Memory = "/dev/shm";

    /// <summary>A folder in memory, else one of the user's own, else that of temporary files.</summary>
    public static string Path => Directory.Exists(Memory) ? Memory
        : Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") is { Length: > 0 } own && Directory.Exists(own) ? own
        : System.IO.Path.GetTempPath();

    /// <summary>A file that was not there, and which only its user can open.</summary>
    public static FileStreamOptions NewFile
    {
        get
        {
            var options = new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.ReadWrite,
                Share = FileShare.ReadWrite | FileShare.Delete,
                BufferSize = 0,
            };
            if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            return options;
        }
    }
}
