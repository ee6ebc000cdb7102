using CnnCluster.Trainer.Data;
using CnnCluster.Trainer.Storage;

namespace CnnCluster.Trainer.Hosting;

/// <summary>
/// What a node keeps of its run, in one folder, however often it comes to lead the run or to keep its state, and however often its control
/// plane is built anew meanwhile.
/// </summary>
internal sealed class NodeFolder(NodeStandbyOptions options) : IDisposable
{
    private readonly Lock gate = new();
    private RunFolder? made;
    private RunKeeper? keeper;

    /// <summary>The folder; null where nothing has been kept.</summary>
    public RunFolder? Kept => keeper?.Folder;

    /// <summary>As of a run which was started here, so that it can be resumed here.</summary>
    /// <exception cref="UserException">There is no place for the run's files.</exception>
    public RunKeeper Keep(RunRequest request, DataSet samples)
    {
        lock (gate)
        {
            return keeper ??= Open(request, samples);
        }
    }

    public void Dispose() => keeper?.Dispose();

    /// <summary>A folder that has been made and could not be written is written again: it is this node's own.</summary>
    private RunKeeper Open(RunRequest request, DataSet samples)
    {
        made ??= RunFolder.Create(options.Folder, request.Plan.Name, DateTimeOffset.Now);
        made.WriteScript(request.Training.Canonical);
        made.WriteSettings(RunDescriptions.Of(request, samples, DateTimeOffset.Now));
        return new RunKeeper(made, [options.Reader(made, request, request.StepsPerEpoch(samples))]);
    }
}
