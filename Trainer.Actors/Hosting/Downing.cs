using Akka.Actor;
using Akka.Cluster;
using CnnCluster.Trainer.Coordination;

namespace CnnCluster.Trainer.Hosting;

/// <summary>
/// Takes processes out of the cluster that are out of reach for good. It runs where the run is led and nowhere else: who may go
/// on is the coordinators' majority to say, and no side downs what leads the other.
/// </summary>
internal sealed class Downing : ReceiveActor, IWithTimers
{
    /// <summary>Behind it a process is not waited for any more; with one that is out of reach no newcomer becomes a full member.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Cluster cluster = Cluster.Get(Context.System);

    /// <param name="coordinator">Knows which processes take part in the run.</param>
    public Downing(IActorRef coordinator)
    {
        Receive<ClusterEvent.UnreachableMember>(lost => Timers.StartSingleTimer(lost.Member.Address, new Lost(lost.Member.Address), Patience));
        Receive<ClusterEvent.ReachableMember>(back => Timers.Cancel(back.Member.Address));
        Receive<Lost>(lost =>
        {
            // A word of a member that is gone itself may keep one that lives out of reach for ever.
            coordinator.Tell(new Coordinator.OutOfReach(lost.Address));
            Timers.StartSingleTimer(lost.Address, lost, Patience);
        });
        Receive<ClusterEvent.MemberRemoved>(gone => Timers.Cancel(gone.Member.Address));
    }

    private sealed record Lost(Address Address);

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() =>
        cluster.Subscribe(Self, ClusterEvent.InitialStateAsEvents, typeof(ClusterEvent.IReachabilityEvent), typeof(ClusterEvent.MemberRemoved));

    protected override void PostStop() => cluster.Unsubscribe(Self);
}
