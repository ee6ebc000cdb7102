using CnnCluster.Trainer.Coordination.Machines;
using CnnCluster.Trainer.Protocol;
using Microsoft.Extensions.Logging;

namespace CnnCluster.Trainer.Observation;

/// <summary>Notes and logs what a coordinator does, from what its machine wants done.</summary>
internal sealed class CoordinatorWatch(CoordinatorMachine machine, ProcessObservation observation)
{
    private const string Source = "coordinator";
    private string state = "";

    /// <param name="effects">What the machine has just said.</param>
    public void Note(IReadOnlyList<CoordinatorEffect> effects)
    {
        var status = new LeadStatus(machine.State, machine.Generation, machine.Term, machine.Epoch, machine.Committed, machine.Workers, machine.IsAtWork);
        observation.Status.Note(status);
        if (status.State != state)
        {
            Log(LogLevel.Information, state.Length == 0 ? $"begins: {status.State}" : $"{state} → {status.State}");
            state = status.State;
        }

        foreach (var effect in effects)
        {
            if (TextOf(effect) is { } line) Log(line.Level, line.Message);
        }
    }

    /// <summary>What the coordinator was told by a worker; its heartbeats are too many to be logged.</summary>
    public void Heard(object channel, Google.Protobuf.IMessage message)
    {
        if (message is not Heartbeat && observation.Log.IsEnabled(LogLevel.Debug)) Log(LogLevel.Debug, $"{channel} says {ProtocolText.Of(message)}");
    }

    /// <summary>Akka takes a worker for gone, and its own process has not said so.</summary>
    public void Doubts(object channel) => Log(LogLevel.Warning, $"Akka takes {channel} for gone: a word of it is waited for");

    /// <summary>A process' connection has ended; its workers' words may come over another.</summary>
    public void Disconnected(object channel) => Log(LogLevel.Information, $"the connection to {channel} has ended");

    /// <summary>Its words can come over no other one.</summary>
    public void Refused(object channel) => Log(LogLevel.Information, $"nobody listens where {channel} was");

    /// <summary>A worker registers by a control plane that the cluster has given up.</summary>
    public void Ignores(object channel) => Log(LogLevel.Debug, $"does not take {channel} in: the cluster has given up its control plane");

    private (LogLevel Level, string Message)? TextOf(CoordinatorEffect effect) => effect switch
    {
        CoordinatorEffect.Publish { Event: var happened } => RunEventText.Of(happened),
        CoordinatorEffect.Send { Message: CoordinatorBeat } => null,
        CoordinatorEffect.Send { Message: Expelled } when machine.HasEnded => null,
        CoordinatorEffect.Send { Message: Expelled expelled, Channel: var channel } => (LogLevel.Warning, $"gives up {channel}: it {expelled.Reason}"),
        CoordinatorEffect.Send { Message: WorkerRefused refused, Channel: var channel } => (LogLevel.Warning, $"refuses {channel}: {refused.Reason}"),
        CoordinatorEffect.Send send when observation.Log.IsEnabled(LogLevel.Debug) => (LogLevel.Debug, $"tells {send.Channel} {ProtocolText.Of(send.Message)}"),
        _ => null,
    };

    private void Log(LogLevel level, string message) =>
        observation.Log.Write(level, Source, new LogSubject(null, machine.Generation, machine.Term, machine.Committed), message);
}
