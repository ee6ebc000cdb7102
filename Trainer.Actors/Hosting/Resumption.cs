using CnnCluster.Dsl;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Metrics;
using CnnCluster.Trainer.Storage;
using CnnCluster.Trainer.Training;
using Position = CnnCluster.Trainer.Protocol.Position;

namespace CnnCluster.Trainer.Hosting;

/// <summary>Where a run goes on: its last checkpoint, and what is remembered besides.</summary>
/// <param name="Checkpoint">The file.</param>
/// <param name="Best">The file of the best weights so far; null where none are needed.</param>
/// <param name="Position">Where the checkpoint stands.</param>
/// <param name="BestMetrics">The best epoch's figures; null if there is none, or they are not on record.</param>
public sealed record Resumption(string Checkpoint, string? Best, Position Position, EpochMetrics? BestMetrics)
{
    /// <summary>The last checkpoint of a run that has something left to do.</summary>
    /// <param name="folder">The run's.</param>
    /// <param name="plan">Its train part, with what is changed.</param>
    /// <exception cref="UserException">There is no checkpoint, it is damaged or another network's, or the run has come to its end.</exception>
    public static Resumption Of(RunFolder folder, TrainPlan plan)
    {
        var store = new CheckpointStore(folder.Checkpoints);
        var latest = store.Latest ?? throw new UserException($"{folder.Location} has no checkpoint to go on from.");
        _ = ReplicaState.Open(latest, plan.Network.Weights.Concat(plan.Network.Buffers));
        var position = ReplicaState.PositionOf(latest);
        CheckUnfinished(folder, plan, position);
        var best = plan.EarlyStop.Restore == Restore.Best && position.EarlyStopping.BestEpoch > 0 ? BestOf(store, position, latest) : null;
        return new Resumption(latest, best, position, RunHistory.EpochOf(folder.Metrics, position.EarlyStopping.BestEpoch));
    }

    /// <summary>The epoch that is trained next, or the rest of it.</summary>
    /// <param name="stepsPerEpoch">Steps of an epoch.</param>
    public int FirstEpoch(long stepsPerEpoch) =>
        Position.DecidedEpoch == Position.Epoch && Position.StepInEpoch >= stepsPerEpoch ? Position.Epoch + 1 : Position.Epoch;

    /// <summary>The best weights, in the file that outlives their step: it is made up for where it could not be written then.</summary>
    private static string BestOf(CheckpointStore store, Position position, string latest)
    {
        var best = BestState.Find(store, position)
            ?? throw new UserException($"The run is to end with its best weights, and {BestState.Missing(store, position)}. A new run may begin with the last ones: --init {latest}");
        try
        {
            if (best != store.Best) store.KeepAsBest(best);
            return store.Best!;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{best} has the best weights so far, which cannot be copied to best.safetensors: {e.Message}", e);
        }
    }

    private static void CheckUnfinished(RunFolder folder, TrainPlan plan, Position position)
    {
        if (position.DecidedEpoch >= plan.Epochs)
        {
            throw new UserException($"{folder.Location} has done its {plan.Epochs} epochs. --epochs with a greater number goes on.");
        }

        if (plan.EarlyStop.Patience is { } patience && position.EarlyStopping.EpochsWithoutImprovement >= patience && position.DecidedEpoch > 1)
        {
            throw new UserException($"{folder.Location} was stopped early, after {patience} {(patience == 1 ? "epoch" : "epochs")} without improvement: there is nothing to go on with.");
        }
    }
}
