using CnnCluster.Trainer.Coordination.Machines;
using CnnCluster.Trainer.Protocol;
using Member = CnnCluster.Trainer.Coordination.Machines.Member;

namespace CnnCluster.Trainer.Observation;

/// <summary>What one of a process's workers is at.</summary>
/// <param name="Slot">Its number in the run; null until the run has given it one.</param>
/// <param name="Generation">The last that it was formed into; 0 for none.</param>
/// <param name="Term">Of the coordinator that it follows.</param>
/// <param name="IsAtWork">Whether it has a part in a generation that works.</param>
/// <param name="Beat">What its thread does.</param>
public sealed record WorkerStatus(int? Slot, long Generation, long Term, bool IsAtWork, Heartbeat Beat);

/// <summary>What the coordinator of a process that leads its run is at.</summary>
/// <param name="State">By its name, as in docs/cluster.md.</param>
/// <param name="Generation">The last that it has formed, or forms; 0 for none.</param>
/// <param name="Term">0 for the run's home, more for each that took over.</param>
/// <param name="Epoch">From 1.</param>
/// <param name="Step">Steps committed.</param>
/// <param name="Workers">Members of the generation.</param>
/// <param name="IsAtWork">Whether a generation works.</param>
public sealed record LeadStatus(string State, long Generation, long Term, int Epoch, long Step, int Workers, bool IsAtWork);

/// <summary>What a process's actors have said of themselves last: what its log and its health are told from. Safe for several threads.</summary>
/// <param name="patience">How long they may stand still; the coordinator's own measures by default.</param>
/// <param name="clock">The time; the system's by default.</param>
public sealed class ProcessStatus(Patience? patience = null, TimeProvider? clock = null)
{
    private readonly Patience patience = patience ?? new Patience();
    private readonly TimeProvider clock = clock ?? TimeProvider.System;
    private readonly SortedDictionary<string, Seen> workers = new(StringComparer.Ordinal);
    private readonly Lock gate = new();
    private (LeadStatus Status, long At)? lead;

    /// <param name="Status">As it was said last.</param>
    /// <param name="At">When that was.</param>
    /// <param name="Moved">When its thread was last seen to come on.</param>
    private sealed record Seen(WorkerStatus Status, long At, long Moved);

    /// <summary>Whom a line of the log is about that does not say it: the coordinator here, or else the first of the workers.</summary>
    public LogSubject Subject
    {
        get
        {
            lock (gate)
            {
                return lead is { Status: var led } ? new LogSubject(null, led.Generation, led.Term, led.Step)
                    : workers.Values.FirstOrDefault() is { Status: var worker } ? SubjectOf(worker)
                    : LogSubject.Unknown;
            }
        }
    }

    /// <summary>A worker as the subject of a line.</summary>
    public static LogSubject SubjectOf(WorkerStatus worker) => new(worker.Slot, worker.Generation, worker.Term, worker.Beat.Step);

    /// <param name="name">The worker's, within this process.</param>
    /// <param name="status">What it is at, said several times a second.</param>
    public void Note(string name, WorkerStatus status)
    {
        var now = clock.GetTimestamp();
        lock (gate)
        {
            var moved = workers.TryGetValue(name, out var before) && Member.DoneOf(before.Status.Beat) == Member.DoneOf(status.Beat) ? before.Moved : now;
            workers[name] = new Seen(status, now, moved);
        }
    }

    /// <param name="status">What the coordinator is at, said several times a second.</param>
    public void Note(LeadStatus status)
    {
        lock (gate)
        {
            lead = (status, clock.GetTimestamp());
        }
    }

    /// <summary>The worker's actor has ended.</summary>
    public void Forget(string name)
    {
        lock (gate)
        {
            workers.Remove(name);
        }
    }

    /// <summary>The coordinator's actor has ended.</summary>
    public void ForgetLead()
    {
        lock (gate)
        {
            lead = null;
        }
    }

    /// <summary>What it comes to now.</summary>
    public HealthReport Report()
    {
        lock (gate)
        {
            return new HealthReport(
                lead?.Status,
                [.. workers.Values.Select(seen => new WorkerHealth(seen.Status, clock.GetElapsedTime(seen.Moved)))],
                [.. Problems()]);
        }
    }

    private IEnumerable<string> Problems()
    {
        if (lead is { At: var said } && clock.GetElapsedTime(said) > patience.Silence) yield return "the coordinator does not move";
        foreach (var (name, seen) in workers)
        {
            if (clock.GetElapsedTime(seen.At) > patience.Silence)
            {
                yield return $"the actor of {name} does not move";
            }
            else if (seen.Status.Beat.Activity == Activity.Computing && clock.GetElapsedTime(seen.Moved) > patience.StallOf(seen.Status.Beat.StepSeconds))
            {
                yield return $"{name} makes no progress";
            }
        }
    }
}
