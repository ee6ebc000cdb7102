using CnnCluster.Kernels;
using CnnCluster.Kernels.Optimization;
using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Training;

/// <summary>What the coordinator is told of what a worker's thread has thrown.</summary>
internal static class WorkerFailures
{
    /// <param name="exception">What was thrown.</param>
    /// <param name="slots">Of the generation's members, by rank: a collective names a rank.</param>
    public static WorkerFailed Of(Exception exception, IReadOnlyList<int> slots) => new()
    {
        Kind = KindOf(exception),
        Reason = Describe(exception),
        LostPeer = (exception as CollectiveException)?.Peer is { } peer && peer.Value < slots.Count ? slots[peer.Value] : -1,
    };

    private static FailureKind KindOf(Exception exception) => exception switch
    {
        CollectiveException => FailureKind.Peer,
        NonFiniteGradientException or UserException => FailureKind.Run,
        _ => FailureKind.Worker,
    };

    private static string Describe(Exception exception) =>
        exception is UserException or CollectiveException or NonFiniteGradientException or IOException
            ? exception.Message
            : $"{exception.GetType().Name}: {exception.Message}";
}
