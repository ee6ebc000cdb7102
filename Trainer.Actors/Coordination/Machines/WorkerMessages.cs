using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <summary>Who a worker is when it registers.</summary>
/// <param name="JoinToken">The run's.</param>
/// <param name="Slot">Its number in the run; -1 takes what the coordinator gives.</param>
/// <param name="Host">This machine's name.</param>
/// <param name="ProcessId">This process.</param>
/// <param name="Device">Where it computes.</param>
/// <param name="Share">Its part of a batch beside the others'.</param>
/// <param name="Control">Where its peers reach its side of the protocol: the path of its actor.</param>
/// <param name="MayLead">Whether its process lives on without the run's home, and may lead the run then.</param>
public sealed record WorkerIdentity(
    byte[] JoinToken, int Slot, string Host, int ProcessId, string Device, int Share, string Control = "", bool MayLead = false)
{
    /// <summary>Tells this process from all others: 16 random bytes, the same for each of its workers.</summary>
    public required ByteString Process { get; init; }

    /// <summary>The control paths of workers that it knows from before, as behind a loss of its process's control plane.</summary>
    public IReadOnlyList<string> Peers { get; init; } = [];

    /// <summary>What its program is made of.</summary>
    public IReadOnlyDictionary<string, string> Versions { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);
}

/// <summary>What happens to a worker's side of the protocol.</summary>
public abstract record WorkerInput
{
    private WorkerInput()
    {
    }

    /// <summary>A message of the coordinator's.</summary>
    public sealed record Received(IMessage Message) : WorkerInput;

    /// <summary>The worker's own thread has something to say.</summary>
    public sealed record Reported(IMessage Message) : WorkerInput;

    /// <summary>A message of another worker's.</summary>
    public sealed record FromPeer(IMessage Message) : WorkerInput;

    /// <summary>The coordinator is gone.</summary>
    public sealed record HomeLost : WorkerInput;

    /// <summary>This process has a coordinator of the run now, as it was charged to.</summary>
    /// <param name="Term">That of its mandate.</param>
    /// <param name="Coordinator">The path of its actor.</param>
    public sealed record Leads(long Term, string Coordinator) : WorkerInput;

    /// <summary>This process cannot lead the run as it was charged to: others are to stand.</summary>
    /// <param name="Term">That of its mandate.</param>
    /// <param name="Reason">Why.</param>
    public sealed record CannotLead(long Term, string Reason) : WorkerInput;

    /// <summary>There is no place for the state.</summary>
    public sealed record CannotKeep(string Reason) : WorkerInput;

    /// <summary>Where the state can be kept, as was asked for.</summary>
    /// <param name="Deliveries">To a place of this process's own; empty where none is needed.</param>
    public sealed record KeepsAt(IReadOnlyList<DeliverState> Deliveries) : WorkerInput;

    /// <summary>Time has passed.</summary>
    public sealed record Tick : WorkerInput;
}

/// <summary>What a worker's side of the protocol wants done, in this order.</summary>
public abstract record WorkerEffect
{
    private WorkerEffect()
    {
    }

    /// <summary>Tell the coordinator.</summary>
    public sealed record Send(IMessage Message) : WorkerEffect;

    /// <summary>Tell the coordinator how the thread is doing, in this generation.</summary>
    public sealed record Beat(long Generation) : WorkerEffect;

    /// <summary>Read the data, and build a replica.</summary>
    public sealed record Prepare(int Slot, Job Job) : WorkerEffect;

    /// <summary>A command for the worker's thread, behind those that it has.</summary>
    public sealed record Order(IMessage Command) : WorkerEffect;

    /// <summary>Fail what is under way in a collective, at once, and then answer from the thread, with what stands.</summary>
    public sealed record Halt(Protocol.Halt Command) : WorkerEffect;

    /// <summary>Stop behind the step in hand, together with all others.</summary>
    public sealed record StopAtNextStep : WorkerEffect;

    /// <summary>Tell another worker.</summary>
    public sealed record Tell(string Path, IMessage Message) : WorkerEffect;

    /// <summary>Tell another worker where the coordinator is: it does not know.</summary>
    public sealed record Direct(string Peer) : WorkerEffect;

    /// <summary>Another coordinator leads the run: what is said to the coordinator goes there.</summary>
    public sealed record Follow(string Coordinator) : WorkerEffect;

    /// <summary>A majority wants this process to lead the run; what comes of it comes back as <see cref="WorkerInput.Leads"/>.</summary>
    public sealed record Lead(Mandate Mandate) : WorkerEffect;

    /// <summary>The coordinator that this process has of a term came too late: it is to end.</summary>
    public sealed record Retire(long Term) : WorkerEffect;

    /// <summary>Find a place for the state, since the run ends here; it comes back as <see cref="WorkerInput.KeepsAt"/>.</summary>
    /// <param name="Position">Of the state.</param>
    public sealed record Keep(Position Position) : WorkerEffect;

    /// <summary>The worker is not needed any more; the reason is empty if all went well.</summary>
    public sealed record End(string Reason) : WorkerEffect;
}
