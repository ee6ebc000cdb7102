using System.Runtime.InteropServices;

namespace CnnCluster.Kernels.Native;

/// <summary>Makes glibc keep the memory that libtorch frees, for the next step to take again.</summary>
/// <remarks>
/// A step allocates the same tensors as the one before. As it comes, glibc gives large ones back to the system and gets
/// them anew, page by page, each cleared and faulted in: in training, a third of the time (docs/adr/0013). What a process
/// has reached at its peak it now keeps. mallopt(3) describes the numbers.
/// </remarks>
internal static unsafe class NativeHeap
{
    private const int TrimThreshold = -1;
    private const int TopPad = -2;
    private const int MostMappings = -4;
    private const int MostArenas = -8;
    private const int GrowBy = 64 << 20;

    /// <summary>Call before the first tensor is made. A user's own settings stand; other C libraries have none.</summary>
    public static void KeepMemory()
    {
        if (!OperatingSystem.IsLinux() || IsSetByUser()
            || !NativeLibrary.TryLoad("libc.so.6", out var library) || !NativeLibrary.TryGetExport(library, "mallopt", out var address))
        {
            return;
        }

        var set = (delegate* unmanaged<int, int, int>)address;
        // No block of its own for a large tensor, nothing given back from the end of the heap, and one heap for all
        // threads: those of threads are unmapped whenever they are empty.
        _ = set(MostMappings, 0);
        _ = set(TrimThreshold, int.MaxValue);
        _ = set(TopPad, GrowBy);
        _ = set(MostArenas, 1);
    }

    private static bool IsSetByUser() =>
        Environment.GetEnvironmentVariables().Keys.Cast<string>().Any(static name => name.StartsWith("MALLOC_", StringComparison.Ordinal))
        || (Environment.GetEnvironmentVariable("GLIBC_TUNABLES") ?? "").Contains("glibc.malloc", StringComparison.Ordinal);
}
