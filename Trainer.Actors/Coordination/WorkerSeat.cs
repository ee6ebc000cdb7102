using CnnCluster.Trainer.Training;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination;

/// <summary>
/// A worker's place in its process. The worker, with its replica and its thread, outlives the actor that speaks for it: where
/// the process has to build its control plane anew, another actor takes the place, and finds what was known last.
/// </summary>
public sealed class WorkerSeat
{
    private volatile Action<IMessage>? speaker;

    /// <param name="create">Makes the worker; it reports through the action it is given, from its own threads.</param>
    /// <param name="coordinator">The path of the coordinator's actor.</param>
    public WorkerSeat(Func<Action<IMessage>, IWorker> create, string coordinator)
    {
        Coordinator = coordinator;
        Worker = create(message => speaker?.Invoke(message));
    }

    public IWorker Worker { get; }

    /// <summary>The path of the coordinator that was last followed.</summary>
    public string Coordinator { get; set; }

    /// <summary>The control paths of the workers that it was last part of a generation with.</summary>
    public IReadOnlyList<string> Peers { get; set; } = [];

    /// <summary>Whether a coordinator has taken the worker in through the actor of now.</summary>
    public bool WasAccepted { get; set; }

    /// <param name="next">Takes what the worker reports from now on; what it said while there was nobody is said again when it is asked.</param>
    public void Take(Action<IMessage> next) => (speaker, WasAccepted) = (next, false);
}
