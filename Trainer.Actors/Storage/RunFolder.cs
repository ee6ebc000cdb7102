using System.Text;
using System.Text.Json;

namespace CnnCluster.Trainer.Storage;

/// <summary>The folder of one run: its script, settings, figures and checkpoints.</summary>
public sealed class RunFolder
{
    private readonly bool isOwn;

    private RunFolder(string path, bool isOwn = false) => (Location, this.isOwn) = (path, isOwn);

    /// <summary>The folder itself, as an absolute path.</summary>
    public string Location { get; }

    /// <summary>The script as it ran, imports inlined.</summary>
    public string Script => Path.Combine(Location, "script.cnn");

    public string Settings => Path.Combine(Location, "run.json");
    public string Metrics => Path.Combine(Location, "metrics.jsonl");

    /// <summary>What nodes join with, as long as the run listens for them.</summary>
    public string Join => Path.Combine(Location, "join");

    public string Checkpoints => Path.Combine(Location, "checkpoints");
    public string TensorBoard => Path.Combine(Location, "tb");

    /// <summary>Makes the folder of a new run; nothing that is there is ever overwritten.</summary>
    /// <param name="requested">The user's choice; null for <c>runs/NETWORK-yyyyMMdd-HHmmss</c>, numbered if that is taken.</param>
    /// <param name="network">The network's name.</param>
    /// <param name="now">The time for the name, as the user's clock shows it.</param>
    /// <exception cref="UserException">The requested folder has content, or no folder can be made.</exception>
    public static RunFolder Create(string? requested, string network, DateTimeOffset now)
    {
        var isOwn = requested is null || !Directory.Exists(requested);
        var run = new RunFolder(FreshFolder.Make(requested, network, now, "run"), isOwn);
        try
        {
            Directory.CreateDirectory(run.Checkpoints);
            Directory.CreateDirectory(run.TensorBoard);
            return run;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"The run's folder {run.Location} cannot be made: {e.Message}", e);
        }
    }

    /// <summary>Opens an earlier run's folder.</summary>
    /// <exception cref="UserException">It is none.</exception>
    public static RunFolder Open(string path)
    {
        var run = new RunFolder(Path.GetFullPath(path));
        foreach (var file in new[] { run.Settings, run.Script })
        {
            if (!File.Exists(file))
            {
                throw new UserException($"{path} is not the folder of a run: it has no {Path.GetFileName(file)}");
            }
        }

        return run;
    }

    /// <summary>Deletes what a run has written of which nothing remains; what else is there stays.</summary>
    public void Discard()
    {
        foreach (var file in new[] { Script, Settings, Metrics, Join })
        {
            File.Delete(file);
        }

        Directory.Delete(Checkpoints, recursive: true);
        Directory.Delete(TensorBoard, recursive: true);
        if (isOwn && !Directory.EnumerateFileSystemEntries(Location).Any()) Directory.Delete(Location);
    }

    public void WriteScript(string text) => AtomicFile.Write(Script, stream => stream.Write(Encoding.UTF8.GetBytes(text)));

    public string ReadScript() => ReadText(Script);

    public void WriteSettings(RunDescription description) =>
        AtomicFile.Write(Settings, stream => stream.Write(Encoding.UTF8.GetBytes(description.ToJson() + "\n")));

    /// <exception cref="UserException">The file is missing or damaged.</exception>
    public RunDescription ReadSettings()
    {
        try
        {
            return RunDescription.FromJson(ReadText(Settings));
        }
        catch (JsonException e)
        {
            throw new UserException($"{Settings} is not a run's settings: {e.Message}", e);
        }
    }

    private static string ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path} cannot be read: {e.Message}", e);
        }
    }
}
