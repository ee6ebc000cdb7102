using System.Globalization;
using CnnCluster.Kernels.Collectives;
using CnnCluster.Kernels.Tracing;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Metrics;
using CnnCluster.Trainer.Security;
using CnnCluster.Trainer.StateChannel;
using CnnCluster.Trainer.Storage;
using CnnCluster.Trainer.Tracing;

namespace CnnCluster.Trainer.Hosting;

/// <summary>Keeps what a run leaves behind: checkpoints, figures, histograms.</summary>
public sealed class RunKeeper : IDisposable
{
    private readonly CheckpointStore checkpoints;
    private readonly TensorBoardReader tensorBoard;
    private readonly TraceTrack? track;

    /// <param name="folder">The run's folder.</param>
    /// <param name="others">Further readers of the run's events, such as the console.</param>
    /// <param name="trace">Where the run's time is written down; null for nowhere.</param>
    public RunKeeper(RunFolder folder, IEnumerable<IRunReader> others, TraceFile? trace = null)
    {
        track = trace?.Track("keeper");
        Folder = folder;
        checkpoints = new CheckpointStore(folder.Checkpoints);
        tensorBoard = new TensorBoardReader(folder.TensorBoard);
        var lines = new JsonLinesReader(new StreamWriter(folder.Metrics, append: true), folder.Location, ownsWriter: true);
        Readers = [lines, tensorBoard, .. others];
    }

    public RunFolder Folder { get; }

    /// <summary>Readers of the run's events.</summary>
    public IReadOnlyList<IRunReader> Readers { get; }

    /// <summary>Takes states where this process is found, at a port the system gives.</summary>
    public StateReceiver Receive(NodeNetwork network, byte[] token, Action<Refusal> refused) =>
        new(network.Bind, token, Keep, network.Security, refused);

    /// <summary>Writes down how nodes join, as long as the run listens.</summary>
    public JoinFile Listen(JoinTicket ticket) => new(Folder.Join, ticket);

    public void Dispose()
    {
        foreach (var reader in Readers)
        {
            reader.Dispose();
        }
    }

    /// <summary>On the receiver's thread.</summary>
    private void Keep(string name, Stream content)
    {
        Trace.Attach(track);
        if (name.StartsWith(StateNames.HistogramsPrefix, StringComparison.Ordinal))
        {
            using var adding = Trace.Phase("histograms write");
            var epoch = long.Parse(name.AsSpan(StateNames.HistogramsPrefix.Length), NumberStyles.None, CultureInfo.InvariantCulture);
            tensorBoard.AddHistograms(SafetensorsFile.Parse(content, name), epoch);
            return;
        }

        using var writing = Trace.Phase("checkpoint write");
        checkpoints.Receive(name, content);
    }
}
