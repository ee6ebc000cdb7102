using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Training;

/// <summary>
/// One device's share of a run. The calls return at once: the work is done in order on the worker's own thread,
/// which answers through the report it was made with.
/// </summary>
public interface IWorker : IDisposable
{
    /// <summary>Reads the data and builds a replica, once; answers with where its peers reach it.</summary>
    /// <param name="slot">The worker's number in the run.</param>
    /// <param name="job">The run.</param>
    void Prepare(int slot, Job job);

    /// <summary>Takes a command of the coordinator's: to form a generation, to train, to validate, to deliver a state, to finish.</summary>
    void Order(IMessage command);

    /// <summary>Asks that all workers stop after the step in hand; takes effect at once.</summary>
    void StopAtNextStep();

    /// <summary>Fails what is under way in a collective, at once, and answers with the last whole step.</summary>
    void Halt(Halt command);

    /// <summary>How it is doing; from any thread.</summary>
    Heartbeat Beat(long generation);
}
