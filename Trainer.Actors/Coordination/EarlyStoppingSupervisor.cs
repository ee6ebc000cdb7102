using Akka.Actor;
using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Coordination;

/// <summary>Watches the monitored metric, aggregated over all workers, and decides once for the whole cluster.</summary>
public sealed class EarlyStoppingSupervisor : ReceiveActor
{
    /// <summary>What this actor receives.</summary>
    public interface IMessage;

    /// <summary>An epoch's monitored value.</summary>
    public sealed record EpochMeasured(int Epoch, double Value) : IMessage;

    /// <summary>The answer to <see cref="EpochMeasured"/>.</summary>
    public sealed record EpochJudged(int Epoch, EarlyStoppingDecision Decision);

    private EarlyStoppingState state;

    public EarlyStoppingSupervisor(EarlyStoppingSettings settings, EarlyStoppingState initial)
    {
        state = initial;
        Receive<EpochMeasured>(epoch =>
        {
            var decision = EarlyStoppingRule.Decide(settings, state, epoch.Epoch, epoch.Value);
            state = decision.State;
            Sender.Tell(new EpochJudged(epoch.Epoch, decision));
        });
    }
}
