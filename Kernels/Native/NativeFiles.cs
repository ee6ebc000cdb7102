using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace CnnCluster.Kernels.Native;

/// <summary>
/// The native libraries that come with the program: in its folder, and in that of this assembly where it is another one, as
/// in a script, whose program is <c>dotnet fsi</c> in the SDK's folder.
/// </summary>
internal static class NativeFiles
{
    private static readonly string Program = Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);

    /// <summary>This assembly's folder; empty where it is a part of the program's file.</summary>
    private static readonly string Own = Path.GetDirectoryName(typeof(NativeFiles).Assembly.Location) ?? "";

    /// <summary>Where they are looked for, in this order.</summary>
    public static IReadOnlyList<string> Folders { get; } = [.. Own.Length == 0 || Own == Program ? Within(Program) : [.. Within(Program), .. Within(Own)]];

    /// <summary>The path of the first file of this name, or null.</summary>
    public static string? Find(string fileName) =>
        Folders.Select(folder => Path.Combine(folder, fileName)).FirstOrDefault(File.Exists);

    /// <summary>
    /// Lets the runtime find them beside this assembly where it does not by itself: it knows the native folders of the program that
    /// it started alone. libtorch is loaded at once: by its name alone, another one that the system has would be found first.
    /// </summary>
    public static void ServeForeignHosts()
    {
        var context = AssemblyLoadContext.GetLoadContext(typeof(NativeFiles).Assembly);
        if (context is null || Own.Length == 0 || Own == Program) return;
        context.ResolvingUnmanagedDll += static (_, name) => Find(FileName(name)) is { } path ? NativeLibrary.Load(path) : 0;
        foreach (var library in (string[])["torch_cpu", "LibTorchSharp"])
        {
            if (Find(FileName(library)) is { } path) _ = NativeLibrary.TryLoad(path, out _);
        }
    }

    /// <summary>As a package's build output has it, and as a published program may.</summary>
    private static string[] Within(string folder) => [Path.Combine(folder, "runtimes", Platform, "native"), folder];

    private static string Platform
    {
        get
        {
            var system = OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux";
            return $"{system}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
        }
    }

    /// <summary>The file of a library that is called by its name alone, as <c>LibTorchSharp</c> and <c>libSkiaSharp</c> are.</summary>
    private static string FileName(string library)
    {
        if (OperatingSystem.IsWindows()) return $"{library}.dll";
        var prefix = library.StartsWith("lib", StringComparison.Ordinal) ? "" : "lib";
        return $"{prefix}{library}.{(OperatingSystem.IsMacOS() ? "dylib" : "so")}";
    }
}
