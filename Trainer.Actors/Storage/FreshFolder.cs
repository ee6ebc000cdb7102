using System.Globalization;

namespace CnnCluster.Trainer.Storage;

/// <summary>Makes folders for what is new.</summary>
internal static class FreshFolder
{
    private const string Runs = "runs";

    /// <summary>Makes a folder that was not there or is empty.</summary>
    /// <param name="requested">The user's choice; null for <c>runs/NAME-yyyyMMdd-HHmmss</c>, numbered if that is taken.</param>
    /// <param name="name">What it is about.</param>
    /// <param name="now">The time for the name, as the user's clock shows it.</param>
    /// <param name="owner">Whose it is, as a run's or a comparison's, for messages.</param>
    /// <returns>The absolute path.</returns>
    /// <exception cref="UserException">The requested folder has content, or no folder can be made.</exception>
    public static string Make(string? requested, string name, DateTimeOffset now, string owner)
    {
        var path = Path.GetFullPath(requested ?? FreeName(name, now));
        try
        {
            if (File.Exists(path) || (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any()))
            {
                throw new UserException(
                    $"{path} is there already and not empty. Nothing is overwritten: name another folder, or delete this one.");
            }

            Directory.CreateDirectory(path);
            return path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"The {owner}'s folder {path} cannot be made: {e.Message}", e);
        }
    }

    private static string FreeName(string name, DateTimeOffset now)
    {
        var path = Path.Combine(Runs, $"{name}-{now.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture)}");
        return Enumerable.Range(2, int.MaxValue - 2).Select(number => $"{path}-{number}").Prepend(path).First(static free => !Path.Exists(free));
    }
}
