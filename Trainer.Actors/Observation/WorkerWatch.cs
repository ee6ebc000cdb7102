using Akka.Actor;
using CnnCluster.Trainer.Coordination.Machines;
using CnnCluster.Trainer.Protocol;
using Microsoft.Extensions.Logging;

namespace CnnCluster.Trainer.Observation;

/// <summary>Notes and logs what a worker's side of the protocol does, from what its machine wants done.</summary>
/// <param name="name">The worker's, within this process.</param>
/// <param name="machine">Its side of the protocol.</param>
/// <param name="observation">Takes what is noted and logged.</param>
internal sealed class WorkerWatch(string name, WorkerMachine machine, ProcessObservation observation)
{
    private const string Source = "worker";
    private LogSubject subject = LogSubject.Unknown;

    /// <param name="beat">What its thread does.</param>
    /// <param name="effects">What the machine has just said.</param>
    public void Note(Heartbeat beat, IReadOnlyList<WorkerEffect> effects)
    {
        var status = new WorkerStatus(machine.Slot, machine.Generation, machine.Term, machine.IsAtWork, beat);
        observation.Status.Note(name, status);
        subject = ProcessStatus.SubjectOf(status);
        foreach (var effect in effects)
        {
            if (TextOf(effect) is { } line) observation.Log.Write(line.Level, Source, subject, line.Message);
        }
    }

    /// <summary>Another worker has said what nothing can be made of.</summary>
    public void Ignores(IActorRef peer, string flaw) => observation.Log.Write(LogLevel.Warning, Source, subject, $"ignores {flaw}, of {peer.Path}");

    /// <summary>A majority has chosen this process, and it can not.</summary>
    public void CannotLead(string reason) => observation.Log.Write(LogLevel.Error, Source, subject, $"cannot lead: {reason}");

    /// <summary>What this process leads with, and nobody follows, does not end.</summary>
    public void StillLeads(string reason) => observation.Log.Write(LogLevel.Error, Source, subject, $"cannot end the coordinator that nobody follows: {reason}");

    /// <summary>The actor has ended.</summary>
    public void End() => observation.Status.Forget(name);

    private (LogLevel Level, string Message)? TextOf(WorkerEffect effect) => effect switch
    {
        WorkerEffect.Prepare => (LogLevel.Information, "is taken in, and prepares"),
        WorkerEffect.Order { Command: FormGeneration form } => (LogLevel.Information, ProtocolText.Of(form)),
        WorkerEffect.Order order => (LogLevel.Debug, ProtocolText.Of(order.Command)),
        WorkerEffect.Halt halt => (LogLevel.Information, $"halts: {halt.Command.Reason}"),
        WorkerEffect.StopAtNextStep => (LogLevel.Information, "is to stop at the next step"),
        WorkerEffect.Follow follow => (LogLevel.Warning, $"follows another coordinator: {follow.Coordinator}"),
        WorkerEffect.Lead lead => (LogLevel.Warning, $"a majority wants this process to lead, in term {lead.Mandate.Term}"),
        WorkerEffect.Retire retire => (LogLevel.Warning, $"does not lead in term {retire.Term}: the others wait for its coordinator no more"),
        WorkerEffect.Keep keep => (LogLevel.Warning, $"keeps its state of step {keep.Position.Step}, since the run ends here"),
        WorkerEffect.End { Reason: "" } => (LogLevel.Information, "ends"),
        WorkerEffect.End end => (LogLevel.Error, $"ends: {end.Reason}"),
        WorkerEffect.Send { Message: Heartbeat or RegisterWorker } => null,
        WorkerEffect.Send send when observation.Log.IsEnabled(LogLevel.Debug) => (LogLevel.Debug, $"says {ProtocolText.Of(send.Message)}"),
        WorkerEffect.Tell tell when observation.Log.IsEnabled(LogLevel.Debug) => (LogLevel.Debug, $"tells {tell.Path} {ProtocolText.Of(tell.Message)}"),
        _ => null,
    };
}
