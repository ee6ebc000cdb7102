using CnnCluster.Dsl;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Collectives;
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
/// <remarks>It outlives the generations that its worker is part of: each gives it new peers and a new part of the batches.</remarks>
public sealed class WorkerSession : IDisposable
{
    private readonly Job job;
    private readonly TrainPlan plan;
    private readonly DataSet data;
    private readonly Replica replica;
    private readonly BestWeights best;
    private readonly Schedule schedule;
    private readonly long stepsPerEpoch;
    private readonly double initialRate;
    private readonly bool computesOnCpu;
    private BatchLoader training;
    private BatchLoader validation;

    // A step's slices, and the clock of all.
    private readonly List<Batch> slices = [];
    private readonly StepClock clock = new();

    /// <param name="job">The script and the run's settings.</param>
    /// <param name="plan">The script's train part.</param>
    /// <param name="device">Where it computes.</param>
    /// <param name="data">The samples, the same on every rank.</param>
    /// <param name="ownStep">What a step does instead of the script's losses; null for these.</param>
    public WorkerSession(Job job, TrainPlan plan, Device device, DataSet data, OwnStep? ownStep)
    {
        this.job = job;
        this.plan = plan;
        this.data = data;
        computesOnCpu = device.type == TorchSharp.DeviceType.CPU;
        (training, validation) = Loaders(0, [1], IsAhead([new Member()], 0));
        stepsPerEpoch = plan.StepsPerEpoch(data.Train.Count);
        schedule = plan.CreateSchedule();
        initialRate = plan.CreateRule().LearningRate;
        replica = new Replica(plan, device, new SoloCollective(), ownStep, WireNames.Of(job.Wire));
        best = new BestWeights(replica);
        if (job.Resume)
        {
            Position = ReplicaState.LoadCheckpoint(replica, job.InitialState);

            // An epoch that was judged where the run was stopped within it is judged again at its end.
            if (Position.StepInEpoch < stepsPerEpoch) Position.DecidedEpoch = Math.Min(Position.DecidedEpoch, Position.Epoch - 1);
            if (job.BestState.Length > 0) best.Load(job.BestState);
        }
        else if (job.InitialState.Length > 0)
        {
            ReplicaState.LoadWeights(replica, job.InitialState);
        }
    }

    /// <summary>Where the run stands, as of the last committed step.</summary>
    public Position Position { get; private set; } =
        new() { Epoch = 1, Sums = new EpochSums(), EarlyStopping = EarlyStoppingRule.Initial, Plateau = PlateauRule.Initial };

    /// <summary>The rate of the last step.</summary>
    public double LearningRate { get; private set; }

    /// <summary>Whether the worker waits for its peers in a step's reduction; read from other threads.</summary>
    public bool IsReducing => replica.IsReducing;

    /// <summary>Seconds of this worker's own computing, and of its waiting for its peers, in the last steps' mean; read from other threads.</summary>
    public (double Computing, double Waiting) StepSeconds => clock.StepSeconds;

    /// <summary>Where the time of the last call of <see cref="TrainEpoch"/> went.</summary>
    public StepTimes Times => clock.Times;

    /// <summary>Takes part in a generation: its peers, and this worker's part of the batches.</summary>
    /// <param name="collective">Joins it with its peers; the session disposes it when it enters the next, or ends.</param>
    /// <param name="form">Who they are, and whose state counts.</param>
    /// <exception cref="CollectiveException">A peer was lost meanwhile; what this worker had, it has.</exception>
    public void Enter(ICollective collective, FormGeneration form)
    {
        replica.Collective.Dispose();
        replica.Join(collective);
        clock.BeginGeneration();
        var rank = collective.Rank.Value;
        (training, validation) = Loaders(rank, [.. form.Members.Select(static member => member.Share)], IsAhead(form.Members, rank));
        Decide(form.Decided);
        if (form.Synchronise) Synchronise(form);
        replica.Reduced = job.RecordFolder.Length > 0 && collective.Rank.Value == 0 ? Record : null;
    }

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

        clock.BeginEpoch();

        // Where a generation ended at the run's last step, the next one has none to take.
        if (IsAtLimit) return StopCause.StepLimit;
        if (Position.StepInEpoch == 0) replica.BeginEpoch();
        slices.Clear();
        BeginStep();
        foreach (var slice in training.TrainEpoch(epoch, (int)Math.Min(training.Steps, Position.StepInEpoch * plan.Accumulate)))
        {
            slices.Add(slice);
            if (slices.Count == (long)plan.Accumulate * training.Parts && TakeStep(stopRequested, onStep) is not StopCause.NotStopped and var cause) return cause;
        }

        // Fewer batches are left at the end of an epoch than a step accumulates.
        return slices.Count > 0 ? TakeStep(stopRequested, onStep) : StopCause.NotStopped;
    }

    private void BeginStep()
    {
        clock.Start(replica.WaitSeconds);
        Trace.At(Position.Epoch, replica.Step + 1);
    }

    /// <summary>Takes a step with the slices that have come, and says whether the run goes on.</summary>
    private StopCause TakeStep(Func<bool> stopRequested, Action<StepResult> onStep)
    {
        LearningRate = schedule(
            initialRate, new SchedulePoint(replica.Step, stepsPerEpoch, stepsPerEpoch * plan.Epochs, Position.Plateau.Reductions));
        var result = replica.Take(slices, LearningRate, stopRequested());
        slices.ForEach(static slice => slice.Dispose());
        slices.Clear();
        Commit(result);
        clock.End(replica.WaitSeconds);
        BeginStep();
        onStep(result);
        return result.StopRequested ? StopCause.StopRequested : IsAtLimit ? StopCause.StepLimit : StopCause.NotStopped;
    }

    private bool IsAtLimit => job.StepLimit > 0 && replica.Step >= job.StepLimit;

    /// <summary>This rank's sums over its part of the validation samples.</summary>
    public EpochSums Validate(Action onBatch)
    {
        using var validating = Trace.Phase("validation");
        replica.ShareBuffers();
        return replica.Evaluate(validation.InOrder(), onBatch);
    }

    /// <summary>
    /// Remembers what was decided on an epoch, and the weights if they are the best so far. A decision comes with every
    /// message that may be the first to bring it, and counts once; the step behind it waits for one of them.
    /// </summary>
    public void Decide(EpochDecided? decision)
    {
        if (decision is null || decision.Epoch <= Position.DecidedEpoch || decision.Step != Position.Step) return;
        Position.DecidedEpoch = decision.Epoch;
        Position.EarlyStopping = decision.EarlyStopping;
        Position.Plateau = decision.Plateau ?? PlateauRule.Initial;
        if (decision.KeepAsBest && plan.EarlyStop.Restore == Restore.Best) best.Keep();
    }

    /// <summary>Copies a state, so that training can go on while it is written.</summary>
    public Action<Stream> Capture(StateContent content)
    {
        using var capturing = Trace.Phase("copy state");
        return content switch
        {
            StateContent.Histograms => ReplicaState.Histograms(replica),
            StateContent.Checkpoint => Checkpoint(),
            StateContent.Best => best.With(Checkpoint),
            _ => throw new ArgumentOutOfRangeException(nameof(content), content, "No such content."),
        };
    }

    /// <summary>Takes the best weights back if asked to, and returns the hash of what the run ends with.</summary>
    public string Finish(bool restoreBest)
    {
        if (restoreBest) best.Restore();
        return ReplicaState.WeightsHash(replica);
    }

    /// <summary>Stands at the last step again, also behind <see cref="Finish"/>: where the end was cut, it is not the end yet.</summary>
    public void Halt() => best.TakeBack();

    public void Dispose()
    {
        best.Dispose();

        // What was started of a step that failed reads the gradients until the collective has ended.
        replica.Collective.Dispose();
        replica.Dispose();
    }

    private Action<Stream> Checkpoint() => ReplicaState.Checkpoint(replica, Position, plan.Network.Name);

    private (BatchLoader Training, BatchLoader Validation) Loaders(int rank, IReadOnlyList<int> shares, bool isAhead)
    {
        var shards = ShardDeal.Of(plan, rank, shares.Count);
        return (
            new BatchLoader(data.Train, plan.Batch, rank, shares, plan.Seed, TrainingCatalogues.AugmentationsOf(plan), plan.Batch, shards, isAhead),
            new BatchLoader(data.Validation, plan.Batch, rank, shares, plan.Seed, [], plan.Batch, shards, isAhead));
    }

    private bool IsAhead(IReadOnlyList<Member> members, int rank) => !computesOnCpu || IsCoreLeft(members, rank, Environment.ProcessorCount);

    /// <summary>Whether a rank's host has a core more than it has workers: kernels of our own use one thread of each.</summary>
    internal static bool IsCoreLeft(IReadOnlyList<Member> members, int rank, int cores) =>
        members.Count(member => member.Host == members[rank].Host) < cores;

    /// <summary>
    /// Takes the state of one rank, which all take part in handing on. It is copied aside first: a peer that is lost meanwhile
    /// leaves every worker with the state that it had, or with the new one, and never with parts of both.
    /// </summary>
    private void Synchronise(FormGeneration form)
    {
        using var copying = Trace.Phase("copy state");
        using var scope = NewDisposeScope();
        using var gradless = no_grad();
        var own = StateTensors(HasBest(form)).Where(static tensor => tensor.numel() > 0).ToList();
        var taken = own.ConvertAll(static tensor => tensor.clone());
        foreach (var tensor in taken)
        {
            replica.Collective.Broadcast(tensor, new Rank(form.Source));
        }

        foreach (var (to, from) in own.Zip(taken))
        {
            to.copy_(from);
        }

        Position = form.Position.Clone();
        replica.Stand(Position);
    }

    /// <summary>Whether the source has weights that were the best so far: every rank must say the same.</summary>
    private bool HasBest(FormGeneration form) =>
        plan.EarlyStop.Restore == Restore.Best
        && (form.Position.EarlyStopping.BestEpoch > 0 || form.Decided is { EarlyStopping.BestEpoch: > 0 });

    private IEnumerable<Tensor> StateTensors(bool withBest) =>
        [replica.Arena.Parameters, .. replica.Arena.States, replica.Buffers.Current, .. withBest ? best.Tensors() : []];

    private void Commit(StepResult result)
    {
        Position.Step = replica.Step;
        Position.StepInEpoch++;
        replica.WriteScaling(Position.LossScaling ??= new LossScalingState());
        if (result.Skipped)
        {
            Position.Sums.SkippedSteps++;
            return;
        }

        EpochMetrics.Add(Position.Sums, result);
    }

    private void Record(Replica at) =>
        AtomicFile.Write(Path.Combine(job.RecordFolder, $"step-{at.Step:D6}.safetensors"), ReplicaState.StepRecord(at));
}
