namespace CnnCluster.Bench;

/// <summary>The checkout that the bench runs in: its scripts, its PyTorch peer and the page of its figures.</summary>
internal static class Repository
{
    public static string Root { get; } = Find(new DirectoryInfo(AppContext.BaseDirectory));

    private static string Find(DirectoryInfo? folder) =>
        folder is null ? throw new InvalidOperationException($"{AppContext.BaseDirectory} is not inside a checkout.")
        : File.Exists(Path.Combine(folder.FullName, "CnnCluster.sln")) ? folder.FullName
        : Find(folder.Parent);
}
