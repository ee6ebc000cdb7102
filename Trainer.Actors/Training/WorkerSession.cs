using CnnCluster.Dsl;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Optimization;
using CnnCluster.Kernels.Tracing;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Data;
using CnnCluster.Trainer.Protocol;
using CnnCluster.Trainer.Storage;
using static TorchSharp.torch;
using Position = CnnCluster.Trainer.Protocol.Position;

namespace CnnCluster.Trainer.Training;

/// <summary>What a worker knows of its run: the plan, its replica, its data, and where it stands. One thread owns it.</summary>
public sealed class WorkerSession : IDisposable
{
    private readonly Job job;
    private readonly TrainPlan plan;
    private readonly Replica replica;
    private readonly BatchLoader training;
    private readonly BatchLoader validation;
    private readonly Schedule schedule;
    private readonly long stepsPerEpoch;
    private readonly double initialRate;
    private Tensor? bestParameters;
    private Tensor? bestBuffers;

    /// <param name="job">The script and the run's settings.</param>
    /// <param name="plan">The script's train part.</param>
    /// <param name="device">Where it computes.</param>
    /// <param name="data">The samples, the same on every rank.</param>
    /// <param name="collective">Joins it with its peers.</param>
    /// <param name="ownStep">What a step does instead of the script's losses; null for these.</param>
    public WorkerSession(Job job, TrainPlan plan, Device device, DataSet data, ICollective collective, OwnStep? ownStep)
    {
        this.job = job;
        this.plan = plan;
        var (rank, world) = (collective.Rank.Value, collective.WorldSize.Value);
        var shards = ShardDeal.Of(plan, rank, world);
        training = new BatchLoader(data.Train, plan.Batch, rank, world, plan.Seed, TrainingCatalogues.AugmentationsOf(plan), plan.Batch, shards);
        validation = new BatchLoader(data.Validation, plan.Batch, rank, world, plan.Seed, [], plan.Batch, shards);
        stepsPerEpoch = (training.Steps + plan.Accumulate - 1) / plan.Accumulate;
        schedule = plan.CreateSchedule();
        initialRate = plan.CreateRule().LearningRate;
        replica = new Replica(plan, device, collective, ownStep);
        if (job.InitialState.Length > 0)
        {
            ReplicaState.LoadWeights(replica, job.InitialState);
        }

        if (job.RecordFolder.Length > 0 && rank == 0)
        {
            replica.Reduced = Record;
        }
    }

    /// <summary>Where the run stands, as of the last committed step.</summary>
    public Position Position { get; } = new() { Epoch = 1, Sums = new EpochSums(), EarlyStopping = EarlyStoppingRule.Initial, Plateau = PlateauRule.Initial };

    /// <summary>The rate of the last step.</summary>
    public double LearningRate { get; private set; }

    /// <summary>Trains an epoch, from where it was left, and returns why it ended before its last batch, if it did.</summary>
    /// <param name="epoch">From 1.</param>
    /// <param name="stopRequested">Asked before each step.</param>
    /// <param name="onStep">Called after each step.</param>
    public StopCause TrainEpoch(int epoch, Func<bool> stopRequested, Action<StepResult> onStep)
    {
        using var tracing = Trace.Phase("epoch");
        if (Position.Epoch != epoch)
        {
            Position.Epoch = epoch;
            Position.StepInEpoch = 0;
            Position.Sums = new EpochSums();
        }

        Trace.At(epoch, replica.Step + 1);
        foreach (var batches in training.TrainEpoch(epoch, (int)Position.StepInEpoch * plan.Accumulate).Chunk(plan.Accumulate * training.Parts))
        {
            LearningRate = schedule(
                initialRate, new SchedulePoint(replica.Step, stepsPerEpoch, stepsPerEpoch * plan.Epochs, Position.Plateau.Reductions));
            var result = replica.Take(batches, LearningRate, stopRequested());
            foreach (var batch in batches)
            {
                batch.Dispose();
            }

            Commit(result);
            Trace.At(epoch, replica.Step + 1);
            onStep(result);
            if (result.StopRequested) return StopCause.StopRequested;
            if (job.StepLimit > 0 && replica.Step >= job.StepLimit) return StopCause.StepLimit;
        }

        return StopCause.NotStopped;
    }

    /// <summary>This rank's sums over its part of the validation samples.</summary>
    public EpochSums Validate(Action onBatch)
    {
        using var validating = Trace.Phase("validation");
        replica.ShareBuffers();
        return replica.Evaluate(validation.InOrder(), onBatch);
    }

    /// <summary>Remembers what was decided on an epoch, and the weights if they are the best so far.</summary>
    public void Decide(EpochDecided decision)
    {
        Position.EarlyStopping = decision.EarlyStopping;
        Position.Plateau = decision.Plateau ?? PlateauRule.Initial;
        if (decision.KeepAsBest && plan.EarlyStop.Restore == Restore.Best)
        {
            Keep(ref bestParameters, replica.Arena.Parameters);
            Keep(ref bestBuffers, replica.Buffers.Current);
        }
    }

    /// <summary>Copies a state, so that training can go on while it is written.</summary>
    public Action<Stream> Capture(StateContent content)
    {
        using var capturing = Trace.Phase("copy state");
        return content switch
        {
            StateContent.Histograms => ReplicaState.Histograms(replica),
            StateContent.Checkpoint => ReplicaState.Checkpoint(replica, Position, plan.Network.Name),
            _ => throw new ArgumentOutOfRangeException(nameof(content), content, "No such content."),
        };
    }

    /// <summary>Takes the best weights back if asked to, and returns the hash of what the run ends with.</summary>
    public string Finish(bool restoreBest)
    {
        if (restoreBest && bestParameters is { } parameters && bestBuffers is { } buffers)
        {
            replica.Arena.Parameters.copy_(parameters);
            replica.Buffers.Current.copy_(buffers);
        }

        return ReplicaState.WeightsHash(replica);
    }

    public void Dispose()
    {
        bestParameters?.Dispose();
        bestBuffers?.Dispose();
        replica.Dispose();
        replica.Collective.Dispose();
    }

    private static void Keep(ref Tensor? copy, Tensor current)
    {
        copy ??= empty_like(current).DetachFromDisposeScope();
        copy.copy_(current);
    }

    private void Commit(StepResult result)
    {
        Position.Step = replica.Step;
        Position.StepInEpoch++;
        Position.LossScaling = replica.Scaling;
        if (result.Skipped)
        {
            Position.Sums.SkippedSteps++;
            return;
        }

        var sums = new EpochSums { Samples = result.Samples, Loss = result.Loss * result.Samples, Penalty = result.Penalty * result.Samples };
        sums.Figures.AddRange(result.Figures);
        EpochMetrics.Add(Position.Sums, sums);
    }

    private void Record(Replica at) =>
        AtomicFile.Write(Path.Combine(job.RecordFolder, $"step-{at.Step:D6}.safetensors"), ReplicaState.StepRecord(at));
}
