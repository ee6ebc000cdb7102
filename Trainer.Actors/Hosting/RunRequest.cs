using CnnCluster.Dsl;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Coordination.Machines;
using CnnCluster.Trainer.Observation;
using CnnCluster.Trainer.Protocol;
using CnnCluster.Trainer.Security;
using CnnCluster.Trainer.Tracing;
using CnnCluster.Trainer.Training;
using DslTraining = CnnCluster.Dsl.Training;

namespace CnnCluster.Trainer.Hosting;

/// <summary>A run that was asked for and checked.</summary>
public sealed record RunRequest
{
    public required DslTraining Training { get; init; }

    public required RunLayout Layout { get; init; }

    /// <summary>
    /// What the script was checked against. Workers of this process read it against the same, own layers included;
    /// worker processes know the built-in layers alone, and refuse a script that names others.
    /// </summary>
    public Catalogues Catalogues { get; init; } = TrainingCatalogues.All;

    /// <summary>
    /// Makes each worker's step of one's own, which takes the place of the script's losses; null for these. It is known
    /// to the workers of this process alone.
    /// </summary>
    public Func<OwnStep>? OwnStep { get; init; }

    /// <summary>Where the run's home is found; null for this machine alone. The caller disposes it when the run has ended.</summary>
    public NodeNetwork? Network { get; init; }

    /// <summary>The port at which nodes may join, 0 for one that the system gives; null for a run that no others take part in.</summary>
    public int? Port { get; init; }

    /// <summary>The 16 bytes that nodes show when they join; null for random ones.</summary>
    public byte[]? JoinToken { get; init; }

    /// <summary>With fewer workers than these the run waits, at its beginning and later.</summary>
    public int MinWorkers { get; init; } = 1;

    /// <summary>Where the user says the data is; null for the usual places.</summary>
    public string? DataFolder { get; init; }

    /// <summary>Steps after which to stop; 0 for no limit.</summary>
    public long StepLimit { get; init; }

    /// <summary>What gradients become between hosts.</summary>
    public Wire Wire { get; init; }

    /// <summary>Where each step's weights and reduced gradient are written; null for nowhere.</summary>
    public string? RecordFolder { get; init; }

    /// <summary>A safetensors file of the weights to start from; null for fresh ones.</summary>
    public string? InitialState { get; init; }

    /// <summary>Where an earlier run goes on; null for a new one.</summary>
    public Resumption? Resume { get; init; }

    /// <summary>Where the run's time is written down; the caller disposes it when the run has ended. Null for nowhere.</summary>
    public TraceFile? Trace { get; init; }

    /// <summary>What this process tells those who run it; null for what the environment says of its log.</summary>
    public ProcessObservation? Observation { get; init; }

    /// <summary>How long the coordinator waits for what.</summary>
    public Patience Patience { get; init; } = new();

    public TrainPlan Plan => Training.Plan;

    /// <summary>A run that another process has asked for, as this one knows it.</summary>
    /// <param name="job">The run.</param>
    /// <param name="devices">What this process offers, one for each of its workers.</param>
    /// <exception cref="UserException">Its script means nothing here.</exception>
    public static RunRequest Of(Job job, IReadOnlyList<string> devices)
    {
        var result = Script.Training(new Source(job.TrainName, job.Script), job.TrainName, [], TrainingCatalogues.All);
        return new RunRequest
        {
            Training = result.Value ?? throw new UserException($"The run's script means nothing to this version:\n{result.Text}"),
            Layout = new RunLayout(devices.Count, 0, devices, Math.Max(1, job.Threads)),
            MinWorkers = Math.Max(1, job.MinWorkers),
            DataFolder = job.DataFolder.Length > 0 ? job.DataFolder : null,
            StepLimit = job.StepLimit,
            Wire = job.Wire,
        };
    }

    /// <summary>What the coordinator must know.</summary>
    /// <param name="data">The samples.</param>
    /// <param name="joinToken">What workers must show to be let in.</param>
    /// <param name="receiver">Where workers send states.</param>
    /// <param name="stateToken">What they must show there.</param>
    /// <exception cref="UserException">The own step does not fit the layout or the script.</exception>
    public RunSettings Settings(Data.DataSet data, byte[] joinToken, Endpoint receiver, byte[] stateToken) => new()
    {
        FirstEpoch = Resume?.FirstEpoch(StepsPerEpoch(data)) ?? 1,
        EarlyStoppingState = Resume?.Position.EarlyStopping ?? EarlyStoppingRule.Initial,
        PlateauState = Resume?.Position.Plateau ?? PlateauRule.Initial,
        BestMetrics = Resume?.BestMetrics,
        World = Math.Max(Layout.World, MinWorkers),
        ReservedSlots = Layout.World,
        MinWorkers = MinWorkers,
        MaxWorkers = Plan.Shards,
        Shards = Plan.Shards,
        Versions = RunDescriptions.Versions(),
        Job = Job(),
        JoinToken = joinToken,
        Epochs = Plan.Epochs,
        Monitor = Plan.EarlyStop.Monitor,
        EarlyStopping = new EarlyStoppingSettings(
            Plan.EarlyStop.Higher, Plan.EarlyStop.Patience, Plan.EarlyStop.MinDelta, Plan.EarlyStop.Baseline, Plan.EarlyStop.StartFromEpoch),
        Plateau = PlateauOf(Plan),
        RestoreBest = Plan.EarlyStop.Restore == Restore.Best,
        FigureNames = FigureNames(),
        RegularizedNames = [.. Plan.Network.RegularizedWeights],
        Parameters = Plan.Network.Parameters,
        StateReceiver = receiver,
        StateToken = stateToken,
        Patience = Patience,
    };

    /// <summary>Steps in an epoch of the run.</summary>
    public long StepsPerEpoch(Data.DataSet data) => Plan.StepsPerEpoch(data.Train.Count);

    /// <summary>Reads the data, so that what is wrong with it is said before any worker starts.</summary>
    public Data.DataSet LoadData(DataCache cache) => cache.Load(Plan, DataFolder);

    /// <summary>Reads the weights to start from, so that what is wrong with them is said before any worker starts.</summary>
    /// <exception cref="UserException">They cannot be read, or are another network's.</exception>
    public void CheckInitialState()
    {
        if (InitialState is { } path)
        {
            _ = ReplicaState.Open(path, Plan.Network.Weights.Concat(Plan.Network.Buffers));
        }
    }

    /// <summary>Checks that an exact run can be exact as it is asked for.</summary>
    /// <exception cref="UserException">It has more workers than shards, several threads to a worker, another device, or an own step that does not fit.</exception>
    public void CheckExact() => ExactMode.Check(Plan, Layout.World, Layout.Threads, Layout.Devices, OwnStep is not null);

    /// <summary>Checks that the gradients may be rounded between hosts as it is asked for.</summary>
    /// <exception cref="UserException">The plan is exact, or computes in float64.</exception>
    public void CheckWire() => WireNames.Check(Plan, Wire);

    private static PlateauSettings? PlateauOf(TrainPlan plan)
    {
        var schedule = plan.Schedule.Settings;
        return plan.Followed is { } followed
            ? new PlateauSettings(
                followed.FigureName,
                followed.HigherIsBetter,
                (int)schedule["patience"],
                schedule["min-delta"],
                (int)schedule["cooldown"],
                plan.CreateRule().LearningRate,
                schedule["factor"],
                schedule["min-lr"])
            : null;
    }

    private IReadOnlyList<string> FigureNames()
    {
        if (OwnStep is null)
        {
            return Plan.FigureNames;
        }

        if (Layout.Processes > 0)
        {
            throw new UserException("A step of one's own is known to the workers of this process alone: no worker processes can be started.");
        }

        var names = OwnStepRunner.FigureNames(Plan, OwnStep());
        return names.Prepend("loss").Any(name => Plan.EarlyStop.Monitor == "val_" + name || Plan.EarlyStop.Monitor == "train_" + name)
            ? names
            : throw new UserException($"early-stop monitors '{Plan.EarlyStop.Monitor}', which a run with this own step has not: it has loss, {string.Join(", ", names)}.");
    }

    private Job Job() => new()
    {
        Script = Training.Canonical,
        TrainName = Plan.Name,
        DataFolder = DataFolder ?? "",
        Threads = Layout.Threads,
        StepLimit = StepLimit,
        RecordFolder = RecordFolder ?? "",
        InitialState = Resume?.Checkpoint ?? InitialState ?? "",
        Resume = Resume is not null,
        BestState = Resume?.Best ?? "",
        MinWorkers = MinWorkers,
        TraceFile = Trace?.Location ?? "",
        TraceSteps = Trace?.Steps ?? 0,
        Wire = Wire,
    };
}
