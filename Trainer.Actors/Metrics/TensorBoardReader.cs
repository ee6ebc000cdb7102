using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Storage;
using Tensorboard;

namespace CnnCluster.Trainer.Metrics;

/// <summary>Writes a run's figures for TensorBoard: scalars by epoch, histograms by step. Safe for several threads.</summary>
/// <param name="folder">TensorBoard's log folder; made if it is missing.</param>
/// <param name="clock">The time; the system's by default.</param>
public sealed class TensorBoardReader(string folder, TimeProvider? clock = null) : IRunReader
{
    private readonly EventFile events = new(folder, clock ?? TimeProvider.System);
    private readonly Lock writing = new();

    /// <summary>Writes an epoch's figures (without those of training where no step was applied), such as <c>loss/train</c>, <c>loss/validation</c> and <c>regularization/conv1/kernel</c>; other events say nothing here.</summary>
    public void Read(IRunEvent message)
    {
        if (message is not EpochEnded { Metrics: var metrics, Workers: var workers })
        {
            return;
        }

        var summary = new Summary();
        foreach (var (name, value) in metrics.Values)
        {
            if (!metrics.HasTrained && name.StartsWith("train_", StringComparison.Ordinal)) continue;
            summary.Value.Add(Scalar(TagOf(name), value));
        }

        foreach (var (weight, loss) in metrics.RegularizationLosses)
        {
            summary.Value.Add(Scalar("regularization/" + weight, loss));
        }

        summary.Value.Add(Scalar("images_per_second", metrics.ImagesPerSecond));
        summary.Value.Add(Scalar("learning_rate", metrics.LearningRate));
        foreach (var times in workers)
        {
            summary.Value.Add(Scalar($"computing_seconds/worker_{times.Worker.Slot}", times.Computing));
            summary.Value.Add(Scalar($"wait_seconds/worker_{times.Worker.Slot}", times.Waiting));
            summary.Value.Add(Scalar($"communication_seconds/worker_{times.Worker.Slot}", times.Communicating));
        }

        Write(summary, metrics.Epoch);
    }

    /// <summary>
    /// Writes a histogram of the finite values. NaN and infinities have no place on its axis: where there are any,
    /// their number follows as the scalar <c>TAG/not_finite</c>. No values, no histogram.
    /// </summary>
    public void Histogram(string tag, ReadOnlySpan<float> values, long step)
    {
        var finite = Array.FindAll(values.ToArray(), float.IsFinite);
        var summary = new Summary();
        if (finite.Length > 0)
        {
            summary.Value.Add(new Summary.Types.Value { Tag = tag, Histo = Metrics.Histogram.Of(finite) });
        }

        if (finite.Length < values.Length)
        {
            summary.Value.Add(Scalar(tag + "/not_finite", values.Length - finite.Length));
        }

        Write(summary, step);
    }

    /// <summary>Writes a histogram of each tensor, under its name.</summary>
    /// <exception cref="StateFileException">A tensor's elements are not of 32 bits.</exception>
    public void AddHistograms(SafetensorsFile file, long step)
    {
        foreach (var entry in file.Entries)
        {
            Histogram(entry.Name, file.ReadFloat32(entry.Name), step);
        }
    }

    public void Dispose()
    {
        lock (writing)
        {
            events.Dispose();
        }
    }

    private void Write(Summary summary, long step)
    {
        if (summary.Value.Count == 0)
        {
            return;
        }

        lock (writing)
        {
            events.Write(new Event { Step = step, Summary = summary });
        }
    }

    private static Summary.Types.Value Scalar(string tag, double value) => new() { Tag = tag, SimpleValue = (float)value };

    /// <summary>TensorBoard shows what has the same text in front of the slash side by side.</summary>
    private static string TagOf(string name) => name.Split('_', 2) switch
    {
        ["train", var figure] => figure + "/train",
        ["val", var figure] => figure + "/validation",
        _ => name,
    };
}
