using Akka.Actor;
using Akka.Cluster;

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

    public Downing()
    {
        Receive<ClusterEvent.UnreachableMember>(lost => Timers.StartSingleTimer(lost.Member.UniqueAddress, new Lost(lost.Member.Address), Patience));
        Receive<ClusterEvent.ReachableMember>(back => Timers.Cancel(back.Member.UniqueAddress));
        Receive<Lost>(lost => cluster.Down(lost.Address));
    }

    private sealed record Lost(Address Address);

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() =>
        cluster.Subscribe(Self, ClusterEvent.InitialStateAsEvents, typeof(ClusterEvent.IReachabilityEvent));

    protected override void PostStop() => cluster.Unsubscribe(Self);
}
