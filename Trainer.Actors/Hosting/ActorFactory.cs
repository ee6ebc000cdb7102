using Akka.Actor;

namespace CnnCluster.Trainer.Hosting;

/// <summary>Makes actors from plain lambdas, where Props would want expression trees.</summary>
/// <param name="create">Makes the actor.</param>
/// <param name="failed">Hears that it could not be made, of which nobody else does.</param>
internal sealed class ActorFactory<T>(Func<T> create, Action<Exception>? failed) : IIndirectActorProducer
    where T : ActorBase
{
    public Type ActorType => typeof(T);

    public static Props Props(Func<T> create, Action<Exception>? failed = null) => Akka.Actor.Props.CreateBy(new ActorFactory<T>(create, failed));

    public ActorBase Produce()
    {
        try
        {
            return create();
        }
        catch (Exception e) when (failed is not null)
        {
            failed(e);
            throw;
        }
    }

    public void Release(ActorBase actor)
    {
    }
}
