namespace CnnCluster.Trainer.Security;

/// <summary>The names of a cluster's certificate files, and how they are written: never over another, keys for their owner alone.</summary>
/// <remarks>
/// PEM, without a password: whoever can read a key file could read the password beside it. A folder holds <c>ca.pem</c>,
/// and either <c>ca.key</c> (the authority's) or <c>node.pem</c> and <c>node.key</c> (a node's).
/// </remarks>
internal static class CertificateFiles
{
    public const string Authority = "ca.pem";
    public const string AuthorityKey = "ca.key";
    public const string Node = "node.pem";
    public const string NodeKey = "node.key";

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Makes a folder whole or not at all: it is filled under another name, beside its own.</summary>
    /// <exception cref="UserException">It exists, or cannot be written.</exception>
    public static void CreateFolder(string folder, Action<string> fill)
    {
        if (Path.Exists(folder))
        {
            throw new UserException($"{folder} exists already: certificates and keys are never overwritten.");
        }

        var whole = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        var draft = $"{whole}.{Guid.NewGuid():N}";
        try
        {
            MakeFolder(draft);
            fill(draft);
            Directory.Move(draft, whole);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{folder} cannot be written: {e.Message}", e);
        }
        finally
        {
            if (Directory.Exists(draft)) Directory.Delete(draft, recursive: true);
        }
    }

    public static void Write(string folder, string name, string text) => Create(Path.Combine(folder, name), text, null);

    /// <summary>A file that only its owner can read, from its first byte.</summary>
    public static void WriteKey(string folder, string name, string text) => Create(Path.Combine(folder, name), text, OwnerOnly);

    /// <exception cref="UserException">The file is missing or cannot be read.</exception>
    public static string Read(string folder, string name)
    {
        var path = Path.Combine(folder, name);
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new UserException($"{path} is missing: 'cnn cert init' makes a cluster's certificates, 'cnn cert node' one more.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path} cannot be read: {e.Message}", e);
        }
    }

    private static void MakeFolder(string path)
    {
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(path);
        else Directory.CreateDirectory(path, OwnerOnly | UnixFileMode.UserExecute);
    }

    private static void Create(string path, string text, UnixFileMode? mode)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (mode is { } bits && !OperatingSystem.IsWindows()) options.UnixCreateMode = bits;
        using var writer = new StreamWriter(path, options);
        writer.Write(text);
    }
}
