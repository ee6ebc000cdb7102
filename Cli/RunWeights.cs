using CnnCluster.Trainer;
using CnnCluster.Trainer.Storage;

namespace CnnCluster.Cli;

/// <summary>The weights that a run's folder stands for.</summary>
internal static class RunWeights
{
    /// <summary>The file of its final weights, else of its best, else of its last.</summary>
    /// <exception cref="UserException">It has none yet.</exception>
    public static string Of(RunFolder folder)
    {
        var store = new CheckpointStore(folder.Checkpoints);
        return store.Final ?? store.Best ?? store.Latest
            ?? throw new UserException($"The run {folder.Location} has no weights yet.");
    }
}
