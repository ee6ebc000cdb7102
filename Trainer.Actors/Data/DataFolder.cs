namespace CnnCluster.Trainer.Data;

/// <summary>The four files of an IDX data set, by path.</summary>
public sealed record IdxFiles(string TrainImages, string TrainLabels, string TestImages, string TestLabels);

/// <summary>Finds the folder that holds an IDX data set's files.</summary>
public static class DataFolder
{
    public const string Variable = "CNN_DATA";

    // Each name also occurs with a dot in place of the hyphen in front of idx, and packed or plain.
    private static readonly string[] FileNames =
        ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

    /// <summary>
    /// Looks in the folder given; or, if none is, in the folder of <c>CNN_DATA</c> and then in the user's cache.
    /// Of the first two, the child folder with the set's name counts as well, and before the folder itself.
    /// </summary>
    /// <param name="set">The data set.</param>
    /// <param name="given">The folder the user named, which then must hold the files; null for none.</param>
    /// <param name="environment">Looks up an environment variable.</param>
    /// <exception cref="UserException">No place holds all four files; lists the places and what they lack.</exception>
    public static IdxFiles Find(PublishedSet set, string? given, Func<string, string?> environment)
    {
        string[] places = given is not null
            ? WithChild(given, set)
            : [.. WithChild(environment(Variable), set), UserCache(set.Name, environment)];
        return places.Select(Files).FirstOrDefault(files => files is not null)
            ?? throw new UserException(NotFound(set, places));
    }

    private static string[] WithChild(string? folder, PublishedSet set)
    {
        if (string.IsNullOrEmpty(folder)) return [];
        var child = Path.Combine(folder, set.Name);

        // All sets name their files alike: a folder that bears another set's name holds that other set.
        var own = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
        var isOther = PublishedSet.All.Any(other => other != set && other.Name == own);
        return isOther ? [child] : [child, folder];
    }

    private static string UserCache(string name, Func<string, string?> environment)
    {
        var root = OperatingSystem.IsWindows()
            ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
            : environment("XDG_CACHE_HOME") is { Length: > 0 } cache
                ? cache
                : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return Path.Combine(root, "cnncluster", name);
    }

    private static IdxFiles? Files(string folder)
    {
        var found = Array.ConvertAll(FileNames, name => FileIn(folder, name));
        return found is [{ } trainImages, { } trainLabels, { } testImages, { } testLabels]
            ? new IdxFiles(trainImages, trainLabels, testImages, testLabels)
            : null;
    }

    private static string? FileIn(string folder, string name)
    {
        var dotted = name.Replace("-idx", ".idx", StringComparison.Ordinal);
        string[] candidates = [name, name + ".gz", dotted, dotted + ".gz"];
        return candidates.Select(candidate => Path.Combine(folder, candidate)).FirstOrDefault(File.Exists);
    }

    private static string NotFound(PublishedSet set, string[] places)
    {
        var looked = string.Join('\n', places.Select(place => $"  {place}: {Lack(place)}"));
        var needed = string.Join('\n', FileNames.Select(name => $"  {name}.gz"));
        return $"""
            The files of the data set {set.Name} were not found. Looked in
            {looked}
            Needed are these four files, packed (.gz) or plain:
            {needed}
            They are published at {set.Address}
            Put them into one folder DIR and name it with --data DIR, or set {Variable}=DIR.
            """;
    }

    private static string Lack(string place)
    {
        if (!Directory.Exists(place)) return "no such folder";
        var missing = FileNames.Where(name => FileIn(place, name) is null).ToArray();
        return missing.Length == FileNames.Length ? "none of the files" : $"lacks {string.Join(", ", missing)}";
    }
}
