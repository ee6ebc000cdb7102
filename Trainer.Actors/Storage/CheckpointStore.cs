using System.Globalization;
using System.Text.RegularExpressions;

namespace CnnCluster.Trainer.Storage;

/// <summary>A run's checkpoints: the last few steps, the best state so far and the final one.</summary>
/// <remarks>Not safe for several threads; a run's states arrive one after the other.</remarks>
public sealed partial class CheckpointStore
{
    private const string Extension = ".safetensors";
    private const string FinalName = "final";
    private const string BestName = "best";
    private readonly string folder;
    private readonly int keepLast;

    // The step's file that is the best so far, where its copy could not be made.
    private string? uncopied;

    // Whether the last step that came could not be kept.
    private bool lacksStep;

    /// <param name="folder">Made if it is missing.</param>
    /// <param name="keepLast">How many steps to keep, at least 1; the best and the final state are kept besides.</param>
    public CheckpointStore(string folder, int keepLast = 3)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(keepLast, 1);
        this.folder = folder;
        this.keepLast = keepLast;
        Directory.CreateDirectory(folder);
    }

    /// <summary>The file of the highest step; null if there is none.</summary>
    public string? Latest => Steps().FirstOrDefault();

    /// <summary>
    /// The file of the best state so far; null if there is none. Where its copy could not be made (a full disk, or a process that
    /// was killed) it is of an earlier best: <see cref="Hosting.BestState"/> tells.
    /// </summary>
    public string? Best => Existing(BestName);

    /// <summary>The file of the state that the run ended with; null if it has not.</summary>
    public string? Final => Existing(FinalName);

    /// <summary>The file of a step; null if it is not there any more.</summary>
    public string? OfStep(long step) => Existing(string.Create(CultureInfo.InvariantCulture, $"step-{step:D8}"));

    /// <summary>The file that a state of this name is kept in: that of a step which is also the best so far is the step's.</summary>
    public static string FileOf(string folder, string name) =>
        Path.Combine(folder, $"{(name.StartsWith($"{BestName}-", StringComparison.Ordinal) ? name[(BestName.Length + 1)..] : name)}{Extension}");

    /// <summary>Keeps a state; each file is whole or not there.</summary>
    /// <param name="name"><c>step-00000123</c>, <c>best-step-00000123</c> for one that is also the best so far, <c>best</c> for its weights alone, or <c>final</c>.</param>
    /// <param name="content">The state, read to its end; not looked into.</param>
    /// <exception cref="UserException">The name is none of these.</exception>
    /// <exception cref="IOException">It could not be written, or not to all the files that it belongs in.</exception>
    public void Receive(string name, Stream content)
    {
        switch (name)
        {
            case FinalName: AtomicFile.Write(PathOf(name), content.CopyTo); break;
            case BestName: ReceiveBest(content); break;
            default: ReceiveStep(name, content); break;
        }
    }

    /// <summary>Has a file's state in the place of the best one.</summary>
    public void KeepAsBest(string file)
    {
        // A copy, since the step's own file is deleted after a while, and not every file system has hard links.
        using var source = File.OpenRead(file);
        AtomicFile.Write(PathOf(BestName), source.CopyTo);
        uncopied = null;
    }

    private void ReceiveBest(Stream content)
    {
        // Else a run that goes on from an earlier step would find weights that are not its best yet.
        if (lacksStep) throw new IOException("the checkpoint that goes with it could not be written");
        AtomicFile.Write(PathOf(BestName), content.CopyTo);
        uncopied = null;
    }

    private void ReceiveStep(string name, Stream content)
    {

        // Names come from other processes: what is not spelled exactly so could be a path out of the folder.
        var match = StepName().Match(name);
        if (!match.Success)
        {
            throw new UserException($"\"{name}\" is no checkpoint's name; those are step-00000123, best-step-00000123, {BestName} and {FinalName}");
        }

        var step = PathOf(match.Groups["step"].Value);
        lacksStep = true;
        AtomicFile.Write(step, content.CopyTo);
        lacksStep = false;
        if (match.Groups["best"].Success) uncopied = step;

        // First, as it makes room.
        DeleteOldSteps();
        if (uncopied == step) KeepAsBest(step);
    }

    /// <summary>But the best one is moved to where its copy should be, which takes no room.</summary>
    private void DeleteOldSteps()
    {
        foreach (var path in Steps().Skip(keepLast))
        {
            if (path != uncopied)
            {
                File.Delete(path);
                continue;
            }

            File.Move(path, PathOf(BestName), overwrite: true);
            uncopied = null;
        }
    }

    /// <summary>The files of steps, the highest step first.</summary>
    private IEnumerable<string> Steps() =>
        Directory.EnumerateFiles(folder, "step-*" + Extension)
            .Select(static path => (Path: path, Match: StepName().Match(Path.GetFileNameWithoutExtension(path))))
            .Where(static file => file.Match.Success)
            .OrderByDescending(static file => long.Parse(file.Match.Groups["number"].ValueSpan, CultureInfo.InvariantCulture))
            .Select(static file => file.Path);

    private string? Existing(string name) => File.Exists(PathOf(name)) ? PathOf(name) : null;

    private string PathOf(string name) => Path.Combine(folder, name + Extension);

    /// <summary>Steps have at least eight digits, and no zero in front of more, so that each has one name.</summary>
    [GeneratedRegex(@"\A(?<best>best-)?(?<step>step-(?<number>[0-9]{8}|[1-9][0-9]{8,17}))\z", RegexOptions.CultureInvariant)]
    private static partial Regex StepName();
}
