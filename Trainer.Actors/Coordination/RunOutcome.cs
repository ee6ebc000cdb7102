using CnnCluster.Trainer.Coordination.Machines;
using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Coordination;

/// <summary>Why a run ended.</summary>
public enum StopReason
{
    EarlyStop,
    Epochs,
    Steps,
    Interrupted,
    Failed,
}

/// <summary>How a run ended.</summary>
/// <param name="Reason">Why.</param>
/// <param name="Message">What a person should read, where the reason alone does not say it; else empty.</param>
/// <param name="Step">Steps committed.</param>
/// <param name="Best">What early stopping remembers: the best epoch and its value.</param>
/// <param name="Final">The figures of the weights the run ends with; null if no epoch was validated.</param>
/// <param name="WeightsHash">Their <c>weights_sha256</c>; empty where the run failed or was interrupted.</param>
/// <param name="Checkpoint">The name of the last checkpoint written; null if there is none.</param>
public sealed record RunOutcome(
    StopReason Reason, string Message, long Step, EarlyStoppingState Best, EpochMetrics? Final, string WeightsHash, string? Checkpoint)
{
    /// <summary>Whether only this coordinator's part in the run has ended: too few workers were left to it, and others may go on.</summary>
    public bool IsOutvoted { get; init; }
}

/// <summary>What the coordinator must know of a run; checked before it starts.</summary>
public sealed record RunSettings
{
    /// <summary>Workers that the run begins with.</summary>
    public required int World { get; init; }

    /// <summary>Workers that the home starts itself, with numbers of their own from 0: who else comes gets later ones.</summary>
    public int ReservedSlots { get; init; }

    /// <summary>With fewer than these the run waits for others.</summary>
    public int MinWorkers { get; init; } = 1;

    /// <summary>No more workers than these take part; null for any number.</summary>
    public int? MaxWorkers { get; init; }

    /// <summary>In exact mode, where the weights' bits must not depend on who computes them, the shards of a batch; else null.</summary>
    public int? Shards { get; init; }

    /// <summary>Whether the run is in exact mode.</summary>
    public bool IsExact => Shards is not null;

    /// <summary>What the run's program is made of, which workers are compared with: <see cref="Storage.RunDescription.Versions"/>. Empty for no comparison.</summary>
    public IReadOnlyDictionary<string, string> Versions { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>The name of the machine that the run was started on, whose processes it watches.</summary>
    public string HomeHost { get; init; } = Environment.MachineName;

    /// <summary>Whether this coordinator runs in the process that started the run: half of the workers may go on with it.</summary>
    public bool HasHome { get; init; } = true;
    public required Job Job { get; init; }
    public required byte[] JoinToken { get; init; }

    /// <summary>The first epoch to train, from 1; more than 1 when a run is resumed.</summary>
    public int FirstEpoch { get; init; } = 1;

    public required int Epochs { get; init; }

    /// <summary>The monitored figure, such as <c>val_loss</c>.</summary>
    public required string Monitor { get; init; }

    public required EarlyStoppingSettings EarlyStopping { get; init; }
    public EarlyStoppingState EarlyStoppingState { get; init; } = EarlyStoppingRule.Initial;

    /// <summary>The figures of the best epoch so far, of a run that goes on; null where they are not known.</summary>
    public EpochMetrics? BestMetrics { get; init; }

    /// <summary>When the learning rate is reduced; null where its schedule follows no figure.</summary>
    public PlateauSettings? Plateau { get; init; }
    public PlateauState PlateauState { get; init; } = PlateauRule.Initial;

    /// <summary>Whether the run ends with the best epoch's weights rather than the last's.</summary>
    public required bool RestoreBest { get; init; }

    /// <summary>The figures of an epoch besides the loss, in the order of the workers' sums.</summary>
    public required IReadOnlyList<string> FigureNames { get; init; }

    /// <summary>The regularized weights, in the order of the workers' sums.</summary>
    public required IReadOnlyList<string> RegularizedNames { get; init; }

    public required long Parameters { get; init; }

    /// <summary>Where workers send states.</summary>
    public required Endpoint StateReceiver { get; init; }

    public required byte[] StateToken { get; init; }

    /// <summary>How long the coordinator waits for what.</summary>
    public Patience Patience { get; init; } = new();
}
