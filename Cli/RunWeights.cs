using CnnCluster.Trainer;
using CnnCluster.Trainer.Hosting;
using CnnCluster.Trainer.Storage;
using CnnCluster.Trainer.Training;

namespace CnnCluster.Cli;

/// <summary>The weights that a run's folder stands for.</summary>
internal static class RunWeights
{
    /// <summary>The file of its final weights, else of its best, else of its last; where its best are gone, that is said.</summary>
    /// <exception cref="UserException">It has none yet, or one cannot be read.</exception>
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
        if (position.EarlyStopping.BestEpoch == 0) return latest;
        if (BestState.Find(store, position) is { } best) return best;
        Console.Error.WriteLine($"cnn: warning: {BestState.Missing(store, position)}. The last step's are taken; --weights FILE takes others");
        return latest;
    }
}
