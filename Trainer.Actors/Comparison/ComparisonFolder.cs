using System.Globalization;
using System.Text;
using System.Text.Json;
using CnnCluster.Trainer.Storage;

namespace CnnCluster.Trainer.Comparison;

/// <summary>The folder of a comparison: what was asked, a run's folder for each cell, and what came of it.</summary>
/// <remarks>Whoever has it open has it alone: another process is refused.</remarks>
public sealed class ComparisonFolder : IDisposable
{
    private const string DescriptionName = "comparison.json";
    private const string CellName = "cell.json";
    private const string LockName = ".lock";
    private readonly FileStream held;

    private ComparisonFolder(string path)
    {
        Location = path;
        held = Hold(path);
    }

    /// <summary>The folder itself, as an absolute path.</summary>
    public string Location { get; }

    private string Description => Path.Combine(Location, DescriptionName);

    /// <summary>Makes the folder of a new comparison; nothing that is there is ever overwritten.</summary>
    /// <param name="requested">The user's choice; null for <c>runs/NAME-comparison-yyyyMMdd-HHmmss</c>.</param>
    /// <param name="description">What is compared.</param>
    /// <exception cref="UserException">The requested folder has content, or no folder can be made.</exception>
    public static ComparisonFolder Create(string? requested, ComparisonDescription description)
    {
        var path = FreshFolder.Make(requested, $"{description.Variants[0].Train}-comparison", description.Started, "comparison");
        var folder = new ComparisonFolder(path);
        folder.Write(DescriptionName, description.ToJson() + "\n");
        return folder;
    }

    /// <summary>Opens an earlier comparison's folder.</summary>
    /// <exception cref="UserException">It is none, or in use.</exception>
    public static ComparisonFolder Open(string path)
    {
        var full = Path.GetFullPath(path);
        return File.Exists(Path.Combine(full, DescriptionName))
            ? new ComparisonFolder(full)
            : throw new UserException($"{path} is not the folder of a comparison: it has no {DescriptionName}");
    }

    /// <exception cref="UserException">The file is missing or damaged.</exception>
    public ComparisonDescription ReadDescription() => Read(Description, ComparisonDescription.FromJson);

    /// <summary>Where the run of a cell is kept.</summary>
    public string Cell(Variant variant, ulong seed) =>
        Path.Combine(Location, "cells", variant.Folder, string.Create(CultureInfo.InvariantCulture, $"seed-{seed}"));

    /// <summary>What came of a cell; null if it is not finished.</summary>
    /// <exception cref="UserException">Its file is damaged.</exception>
    public CellResult? Result(Variant variant, ulong seed)
    {
        var file = Path.Combine(Cell(variant, seed), CellName);
        return File.Exists(file) ? Read(file, CellResult.FromJson) : null;
    }

    /// <summary>Makes an empty run's folder for a cell; what an interrupted one left there is deleted.</summary>
    /// <exception cref="UserException">The file system refuses.</exception>
    public RunFolder Begin(Variant variant, ulong seed)
    {
        var path = Cell(variant, seed);
        try
        {
            if (Directory.Exists(path)) Directory.Delete(path, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path} cannot be deleted, to train it anew: {e.Message}", e);
        }

        return RunFolder.Create(path, variant.Train, DateTimeOffset.Now);
    }

    /// <summary>Marks a cell as finished.</summary>
    public void Finish(Variant variant, CellResult result) =>
        AtomicFile.Write(Path.Combine(Cell(variant, result.Seed), CellName), stream => stream.Write(Encoding.UTF8.GetBytes(result.ToJson() + "\n")));

    /// <summary>Writes or replaces a file of results.</summary>
    public void Write(string name, string text) => Write(name, stream => stream.Write(Encoding.UTF8.GetBytes(text)));

    /// <summary>Writes or replaces a file of results.</summary>
    /// <exception cref="UserException">The file system refuses.</exception>
    public void Write(string name, Action<Stream> write)
    {
        try
        {
            AtomicFile.Write(Path.Combine(Location, name), write);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{Path.Combine(Location, name)} cannot be written: {e.Message}", e);
        }
    }

    public void Dispose() => held.Dispose();

    private static FileStream Hold(string path)
    {
        try
        {
            return new FileStream(Path.Combine(path, LockName), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path} cannot be had alone: another `cnn compare` may be at work there ({e.Message})", e);
        }
    }

    private static T Read<T>(string file, Func<string, T> parse)
    {
        try
        {
            return parse(File.ReadAllText(file));
        }
        catch (JsonException e)
        {
            throw new UserException($"{file} is damaged: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{file} cannot be read: {e.Message}", e);
        }
    }
}
