using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Training;

/// <summary>
/// One device's share of a run. The calls return at once: the work is done in order on the worker's own thread,
/// which answers through the report it was made with.
/// </summary>
public interface IWorker : IDisposable
{
    void Prepare(Prepare message);

    void Form(FormGeneration message);

    void Train(TrainEpoch message);

    void Validate(Validate message);

    void Decide(EpochDecided message);

    void Deliver(DeliverState message);

    void Finish(Finish message);

    /// <summary>Asks that all workers stop after the step in hand; takes effect at once.</summary>
    void StopAtNextStep();

    /// <summary>Gives up the step in hand, at once, and answers with the last whole one.</summary>
    void Abandon(Abandon message);
}
