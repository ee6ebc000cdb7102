using System.Net;
using Akka.Actor;
using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination;

/// <summary>
/// What is wrong with a worker's message, so that whoever hears it need not expect it anywhere: that a message is of a known
/// type says nothing of what is in it.
/// </summary>
internal static class MessageChecks
{
    /// <summary>A run has some tens of workers, and numbers are not used twice.</summary>
    private const int MostSlots = 1_000_000;

    private const double MostSeconds = 1e6;

    /// <summary>A program names some five parts of it.</summary>
    private const int MostVersions = 32;

    /// <summary>Characters of a host's name, as DNS has it.</summary>
    private const int LongestHost = 255;

    /// <summary>Of other names: each member is told all of them.</summary>
    private const int LongestName = 1_000;

    /// <summary>Of a failure's reason, which others are told too; a stack of calls has some thousands.</summary>
    private const int LongestReason = 100_000;

    /// <param name="message">As it came.</param>
    /// <param name="figures">How many further figures the script has.</param>
    /// <returns>As in "an EpochTrained without sums"; null where nothing is.</returns>
    public static string? FlawOf(IMessage message, int figures) => message switch
    {
        RegisterWorker { Slot: < -1 or >= MostSlots } => "a registration with no sensible number",
        RegisterWorker { Incarnation.Length: 0 or > LongestName } => "a registration without a sensible incarnation",
        RegisterWorker { Process.Length: not RosterEntry.ProcessBytes } => "a registration without a process",
        RegisterWorker { Share: < 1 or > RosterEntry.MostShare } => $"a registration with no share from 1 to {RosterEntry.MostShare}",
        RegisterWorker { Versions.Count: > MostVersions } => "a registration of too many versions",
        RegisterWorker { Host.Length: > LongestHost } or RegisterWorker { Device.Length: > LongestName } or RegisterWorker { Control.Length: > LongestName } =>
            "a registration with too long a name",
        RegisterWorker who when who.Versions.Any(static part => part.Key.Length > LongestName || part.Value.Length > LongestName) =>
            "a registration with too long a version",
        WorkerFailed { Reason.Length: > LongestReason } => "a WorkerFailed with too long a reason",
        WorkerPrepared { DataPlane: null } => "a WorkerPrepared without an address",
        WorkerPrepared { DataPlane.Host.Length: 0 or > LongestHost } => "a WorkerPrepared without a host's name",
        WorkerPrepared { DataPlane.Port: < 1 or > IPEndPoint.MaxPort } => $"a WorkerPrepared with no port from 1 to {IPEndPoint.MaxPort}",
        WorkerPrepared { Position: null } or WorkerReady { Position: null } or WorkerHalted { HasState: true, Position: null } => $"a {message.Descriptor.Name} without a position",
        WorkerReady ready when !Enum.IsDefined(ready.Exchange) => "a WorkerReady of no known exchange",
        Heartbeat beat when !(IsTime(beat.StepSeconds) && IsTime(beat.WaitSeconds)) => "a heartbeat of no sensible times",
        EpochTrained trained => FlawOf(trained, figures),
        Validated validated => FlawOf(validated.Sums, nameof(Validated), figures),
        WorkerFinished { WeightsSha256.Length: 0 } => "a WorkerFinished without a hash",
        _ => null,
    };

    /// <summary>What is wrong with what a worker tells another; null where nothing is.</summary>
    public static string? FlawOf(FollowCoordinator follow) =>
        ActorPath.TryParse(follow.Coordinator, out var path) && path.Address.HasGlobalScope ? null : "a FollowCoordinator that leads nowhere";

    private static string? FlawOf(EpochTrained trained, int figures) =>
        !IsTime(trained.Seconds) ? "an EpochTrained of no sensible time"
        : !IsSensible(trained.Times) ? "an EpochTrained of no sensible step times"
        : FlawOf(trained.Sums, nameof(EpochTrained), figures);

    private static bool IsSensible(StepTimes? times) =>
        times is null || (times.Steps >= 0 && IsTime(times.ComputingSeconds) && IsTime(times.ReducingSeconds));

    /// <summary>An epoch of which no step counted has no figures at all.</summary>
    private static string? FlawOf(EpochSums? sums, string name, int figures) => sums switch
    {
        null => $"a {name} without sums",
        { Samples: < 0 } => $"a {name} of a negative number of samples",
        _ when sums.Figures.Count != figures && !(sums.Figures.Count == 0 && sums.Samples == 0) => $"a {name} of {sums.Figures.Count} figures, where the script has {figures}",
        _ => null,
    };

    /// <summary>A difference of two clocks' readings may come out a little below nothing.</summary>
    private static bool IsTime(double seconds) => seconds is > -MostSeconds and < MostSeconds;
}
