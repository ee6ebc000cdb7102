using CnnCluster.Trainer.Protocol;
using CnnCluster.Trainer.Storage;
using CnnCluster.Trainer.Training;

namespace CnnCluster.Trainer.Hosting;

/// <summary>Which of a run's files has the best weights so far.</summary>
/// <remarks>
/// That of the best is a copy of the step's, made behind it: where the disk was full in between, or the process was killed, it is of
/// an earlier best. Each checkpoint says which step the best one is, and so which file has it.
/// </remarks>
public static class BestState
{
    /// <summary>The file; null where none has them any more.</summary>
    /// <param name="store">The run's checkpoints.</param>
    /// <param name="position">Where the run stands, with a best epoch.</param>
    /// <exception cref="UserException">A file cannot be read.</exception>
    public static string? Find(CheckpointStore store, Position position)
    {
        var best = position.EarlyStopping;
        if (store.Best is { } copy && HasBest(ReplicaState.PositionOf(copy))) return copy;
        if (store.OfStep(best.BestStep) is { } file && ReplicaState.PositionOf(file) is var own && HasBest(own) && own.Step == best.BestStep) return file;
        return null;

        bool HasBest(Position of) => (of.EarlyStopping.BestStep, of.EarlyStopping.BestEpoch) == (best.BestStep, best.BestEpoch);
    }

    /// <summary>That they are in no file, in words that a full stop or more may follow.</summary>
    /// <param name="store">As for <see cref="Find"/>.</param>
    /// <param name="position">As for <see cref="Find"/>.</param>
    public static string Missing(CheckpointStore store, Position position)
    {
        var there = store.Best is null ? "best.safetensors is not there" : $"{store.Best} has those of another epoch";
        return $"the best weights so far, of epoch {position.EarlyStopping.BestEpoch}, are in none of the run's files: {there}";
    }
}
