using Akka.Actor;
using Akka.Cluster;
using CnnCluster.Trainer.Coordination;

namespace CnnCluster.Trainer.Hosting;

/// <summary>
/// Takes processes out of the cluster that are out of reach for good, and tells the coordinator who is out and who has come. It
/// runs where the run is led and nowhere else: who may go on is the coordinators' majority to say, and no side downs what leads the other.
/// </summary>
internal sealed class Downing : ReceiveActor, IWithTimers
{
    /// <summary>Behind it a process is not waited for any more; with one that is out of reach no newcomer becomes a full member.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Dictionary<Address, UniqueAddress> admitted = [];
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
        Receive<ClusterEvent.MemberDowned>(gone => Remove(gone.Member));
        Receive<ClusterEvent.MemberRemoved>(gone =>
        {
            Timers.Cancel(gone.Member.Address);
            Remove(gone.Member);
        });
        Receive<ClusterEvent.IMemberEvent>(
            come => Admit(come.Member),
            static come => come.Member.Status is MemberStatus.Joining or MemberStatus.WeaklyUp or MemberStatus.Up);

        void Admit(Member come)
        {
            admitted[come.Address] = come.UniqueAddress;
            coordinator.Tell(new Coordinator.Admitted(come.Address));
        }

        // Of two that had one address in turn, the earlier may be said to be gone behind the word that the later has come.
        void Remove(Member gone)
        {
            if (admitted.GetValueOrDefault(gone.Address, gone.UniqueAddress).Equals(gone.UniqueAddress)) coordinator.Tell(new Coordinator.Removed(gone.Address));
        }
    }

    private sealed record Lost(Address Address);

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() =>
        cluster.Subscribe(Self, ClusterEvent.InitialStateAsEvents, typeof(ClusterEvent.IReachabilityEvent), typeof(ClusterEvent.IMemberEvent));

    protected override void PostStop() => cluster.Unsubscribe(Self);
}
