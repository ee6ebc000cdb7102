using Akka.Actor;

namespace CnnCluster.Trainer.Coordination;

/// <summary>Reads a run's events, one after the other: the console, a file, TensorBoard. Its maker disposes it.</summary>
public interface IRunReader : IDisposable
{
    void Read(IRunEvent message);
}

/// <summary>One stream of events, several readers. A reader that fails is left out from then on, with a message.</summary>
public sealed class RunEventHub : ReceiveActor
{
    private readonly List<IRunReader> readers;

    public RunEventHub(IEnumerable<IRunReader> readers)
    {
        this.readers = [.. readers];
        Receive<IRunEvent>(Tell);
    }

    private void Tell(IRunEvent message)
    {
        foreach (var reader in readers.ToList())
        {
            try
            {
                reader.Read(message);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                readers.Remove(reader);
                Console.Error.WriteLine($"cnn: {e.Message}; nothing more is written there, and the run goes on");
            }
        }
    }
}
