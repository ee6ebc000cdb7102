using Akka.Actor;
using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Coordination;

/// <summary>Watches the monitored metric, aggregated over all workers, and decides once for the whole cluster.</summary>
/// <remarks>
/// What it remembers comes with each question: a validation that was cut is judged again, and must be judged alike.
/// </remarks>
public sealed class EarlyStoppingSupervisor : ReceiveActor
{
    /// <summary>What this actor receives.</summary>
    public interface IMessage;

    /// <summary>An epoch's monitored value, and what the decision on the epoch before left.</summary>
    public sealed record EpochMeasured(int Epoch, double Value, EarlyStoppingState State) : IMessage;

    /// <summary>The answer to <see cref="EpochMeasured"/>.</summary>
    public sealed record EpochJudged(int Epoch, EarlyStoppingDecision Decision);

    public EarlyStoppingSupervisor(EarlyStoppingSettings settings) =>
        Receive<EpochMeasured>(epoch => Sender.Tell(
            new EpochJudged(epoch.Epoch, EarlyStoppingRule.Decide(settings, epoch.State, epoch.Epoch, epoch.Value))));
}
