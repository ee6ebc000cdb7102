using System.Runtime.InteropServices;

namespace CnnCluster.Kernels.Native;

/// <summary>The native libtorch cannot be used on this machine; the message says why and what helps.</summary>
public sealed class TorchLibraryException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Makes TorchSharp's native library loadable, then loads it.</summary>
public static partial class TorchLibrary
{
    private const string FileName = "libLibTorchSharp.so";
    private static readonly Lazy<bool> Loaded = new(Load);
    private static readonly Lazy<bool> Tuned = new(Tune);

    /// <summary>
    /// Call before the first use of TorchSharp. On Linux whose libstdc++ is older than GCC 13's, the copy of
    /// <c>libLibTorchSharp.so</c> beside the program is rewritten once (<see cref="LibTorchSharpRewrite"/>).
    /// </summary>
    /// <param name="tuned">Whether the process waits and keeps memory as training wants it; false leaves both as they come.</param>
    /// <exception cref="TorchLibraryException">The library is unknown, cannot be rewritten, or does not load.</exception>
    public static void EnsureLoaded(bool tuned = true)
    {
        if (tuned) _ = Tuned.Value;
        _ = Loaded.Value;
    }

    private static bool Tune()
    {
        WaitWithoutSpinning();
        NativeHeap.KeepMemory();
        return true;
    }

    private static bool Load()
    {
        if (OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64 && !SystemHasSymbol())
        {
            Rewrite(NativeFiles.Find(FileName) ?? throw new TorchLibraryException(
                $"{FileName} is not beside the program (looked for it in {string.Join(" and ", NativeFiles.Folders)})."));
        }

        NativeFiles.ServeForeignHosts();

        try
        {
            TorchSharp.torch.InitializeDeviceType(TorchSharp.DeviceType.CPU);
        }
        catch (Exception e) when (e is DllNotFoundException or NotSupportedException or TypeInitializationException)
        {
            throw new TorchLibraryException($"libtorch does not load on this machine: {e.GetBaseException().Message}", e);
        }

        return true;
    }

    /// <summary>
    /// OpenMP's threads, which libtorch computes with, wait for each other by spinning. With more threads than free
    /// cores they spin away the time of the one they wait for, and training becomes ten times slower. A user's own
    /// setting stands.
    /// </summary>
    private static void WaitWithoutSpinning()
    {
        if (!OperatingSystem.IsWindows())
        {
            // The native environment: .NET's own is a copy that libraries do not see.
            _ = SetNativeVariable("OMP_WAIT_POLICY", "PASSIVE", overwrite: 0);
        }
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetNativeVariable(string name, string value, int overwrite);

    /// <summary>Whether this system's libstdc++ has the one symbol that GCC 13 added.</summary>
    private static bool SystemHasSymbol() =>
        NativeLibrary.TryLoad("libstdc++.so.6", out var library)
        && NativeLibrary.TryGetExport(library, "_ZSt21ios_base_library_initv", out _);

    /// <summary>Rewrites the file in place, atomically: several processes may start at once.</summary>
    internal static void Rewrite(string path)
    {
        var image = File.ReadAllBytes(path);
        if (LibTorchSharpRewrite.HashOf(image) == LibTorchSharpRewrite.RewrittenHash)
        {
            return;
        }

        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            // A new file, not a write into the old one: build output may be a hard link into the package cache.
            File.WriteAllBytes(temporary, LibTorchSharpRewrite.Apply(image));
            File.Move(temporary, path, overwrite: true);
        }
        catch (InvalidDataException e)
        {
            throw new TorchLibraryException(
                $"{path} needs a newer libstdc++ (GLIBCXX_3.4.32, from GCC 13) than this system has. {e.Message}", e);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw new TorchLibraryException(
                $"{path} must be adapted once to this system's libstdc++, but its folder cannot be written: {e.Message}. " +
                "Run `cnn train` once as a user who may write there.", e);
        }
        finally
        {
            File.Delete(temporary);
        }
    }
}
