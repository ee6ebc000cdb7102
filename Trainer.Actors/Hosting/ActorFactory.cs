using Akka.Actor;

namespace CnnCluster.Trainer.Hosting;

/// <summary>Makes actors from plain lambdas, where Props would want expression trees.</summary>
internal sealed class ActorFactory<T>(Func<T> create) : IIndirectActorProducer
    where T : ActorBase
{
    public Type ActorType => typeof(T);

    public static Props Props(Func<T> create) => Akka.Actor.Props.CreateBy(new ActorFactory<T>(create));

    public ActorBase Produce() => create();

    public void Release(ActorBase actor)
    {
    }
}
