using System.Collections.Concurrent;

namespace CnnCluster.Trainer.Training;

/// <summary>A thread of its own that runs commands one after the other.</summary>
public sealed class CommandThread : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private readonly BlockingCollection<Action> commands = [];
    private readonly Thread thread;

    /// <param name="name">The thread's name, for debuggers and logs.</param>
    /// <param name="failed">Called on the thread with what a command threw; later commands still run.</param>
    public CommandThread(string name, Action<Exception> failed)
    {
        thread = new Thread(() => Run(failed)) { IsBackground = true, Name = name };
        thread.Start();
    }

    /// <summary>Adds a command; it is dropped when the thread is being disposed.</summary>
    public void Post(Action command)
    {
        try
        {
            commands.Add(command);
        }
        catch (InvalidOperationException)
        {
            // The thread is ending: whoever posts then has no one left to answer to.
        }
    }

    /// <summary>Lets the commands that were posted finish, within five seconds, and ends the thread.</summary>
    public void Dispose()
    {
        commands.CompleteAdding();
        if (Thread.CurrentThread == thread || thread.Join(Patience))
        {
            commands.Dispose();
        }
    }

    private void Run(Action<Exception> failed)
    {
        foreach (var command in commands.GetConsumingEnumerable())
        {
            try
            {
                command();
            }
            catch (Exception e)
            {
                failed(e);
            }
        }
    }
}
