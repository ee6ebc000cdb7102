using Akka.Event;

namespace CnnCluster.Trainer.Hosting;

/// <summary>What Akka logs while its own loggers start or stop; standard output, its default, is for results.</summary>
public sealed class ErrorStreamLogger : MinimalLogger
{
    protected override void Log(object message) => Console.Error.WriteLine(message);
}
