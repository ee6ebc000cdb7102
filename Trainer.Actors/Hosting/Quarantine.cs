using Akka.Actor;
using Akka.Remote;

namespace CnnCluster.Trainer.Hosting;

/// <summary>
/// Ends a node's ActorSystem when another member refuses to hear it for good, as one that was taken out of the membership while
/// it was out of reach. Nobody can tell it that it was: those who know do not hear it, nor does it hear them. Its workers live on,
/// and get a new one.
/// </summary>
internal sealed class Quarantine : ReceiveActor
{
    public Quarantine() =>
        Receive<ThisActorSystemQuarantinedEvent>(_ => CoordinatedShutdown.Get(Context.System).Run(CoordinatedShutdown.ClusterDowningReason.Instance));

    protected override void PreStart() => Context.System.EventStream.Subscribe(Self, typeof(ThisActorSystemQuarantinedEvent));

    protected override void PostStop() => Context.System.EventStream.Unsubscribe(Self);
}
