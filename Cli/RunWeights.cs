using CnnCluster.Trainer;
using CnnCluster.Trainer.Hosting;
using CnnCluster.Trainer.Storage;
using CnnCluster.Trainer.Training;

namespace CnnCluster.Cli;

/// <summary>The weights that a run's folder stands for.</summary>
internal static class RunWeights
{
    /// <summary>The file of its final weights, else of its best, else of its last.</summary>
    /// <exception cref="UserException">It has none yet, or no longer its best.</exception>
    public static string Of(RunFolder folder)
    {
        var store = new CheckpointStore(folder.Checkpoints);
        return store.Final
            ?? (store.Latest is { } latest ? BestUntil(latest, store) : store.Best)
            ?? throw new UserException($"The run {folder.Location} has no weights yet.");
    }

    private static string BestUntil(string latest, CheckpointStore store)
    {
        var position = ReplicaState.PositionOf(latest);
        return position.EarlyStopping.BestEpoch > 0 ? BestState.Of(store, position) : latest;
    }
}
